import { startApi } from '../../api/main.ts';
import type { ApiDeps } from '../../api/deps.ts';
import { loadConfig } from '../../config/config.ts';
import { connect, type Db } from '../../db/connection.ts';
import { createApiKey, ensureTenant } from '../../db/queries/tenants.ts';
import type { TenantId } from '../../domain/ids.ts';
import { RightOfWay } from '../../domain/right-of-way.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createGuardedNetwork } from '../../security/ssrf-guard.ts';
import { createLogger } from '../../telemetry/log.ts';
import type { PendingWork, Relay } from '../../workflows/contracts/relay.ts';
import { testDatabase } from '../harness/index.ts';

/** Notes what would go to Temporal; that it arrives there is tested with the real server elsewhere. */
export class RecordingRelay implements Relay {
  readonly flushed: PendingWork[] = [];
  flush(work: PendingWork): Promise<void> {
    this.flushed.push(work);
    return Promise.resolve();
  }
  command(): Promise<never> {
    return Promise.reject(new Error('no ticket command is expected here'));
  }
  workflowUrl(workflowId: string): string {
    return `http://temporal.invalid/${encodeURIComponent(workflowId)}`;
  }
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // The tests look into answers of many shapes.
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any
  readonly text: string;
}

export interface Client {
  readonly tenantId: TenantId;
  readonly key: string;
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<ApiAnswer>;
}

export interface TestApi {
  readonly url: string;
  readonly db: Db;
  readonly keys: KeyRing;
  readonly relay: RecordingRelay;
  readonly deps: ApiDeps;
  readonly logLines: string[];
  client(tenant: string, scopes?: readonly string[]): Promise<Client>;
  close(): Promise<void>;
}

/** The API on a database of its own, over real HTTP. */
export async function startTestApi(
  environment: Readonly<Record<string, string>> = {},
  more: Partial<ApiDeps> = {},
): Promise<TestApi> {
  const { url: databaseUrl } = await testDatabase();
  const config = loadConfig({
    POSTROOM_API_PORT: '0',
    POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.1,localhost',
    ...environment,
  });
  const logLines: string[] = [];
  const log = createLogger('info', { write: (line) => logLines.push(line) });
  const db = connect({ url: databaseUrl, poolSize: 8, log });
  const keys = KeyRing.parse(KeyRing.generate());
  const relay = new RecordingRelay();
  const network = createGuardedNetwork({ allow: config.allowPrivateTargets });
  const deps: ApiDeps = {
    config,
    db,
    keys,
    relay,
    log,
    way: new RightOfWay(),
    network: () => Promise.resolve(network),
    checkAnswers: true,
    ...more,
  };
  const api = await startApi(deps);
  return {
    url: api.url,
    db,
    keys,
    relay,
    deps,
    logLines,
    async client(tenant, scopes = ['*']) {
      const tenantId = await ensureTenant(db, tenant);
      const { key } = await createApiKey(db, tenantId, 'test', scopes);
      return {
        tenantId,
        key,
        call: (method, path, body, headers = {}) =>
          request(api.url + path, method, body, { authorization: `Bearer ${key}`, ...headers }),
      };
    },
    async close() {
      await api.close();
      await network.close();
      await db.destroy();
    },
  };
}

/** One request; an object is sent as JSON, text and bytes as they are. */
export async function request(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer> {
  const plain = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      ...(body === undefined || plain ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: plain ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json ? JSON.parse(text) : null,
  };
}
