import type { ProviderOptions } from '../../../../activities/provider-options.ts';
import { startApi } from '../../../../api/main.ts';
import { loadConfig } from '../../../../config/config.ts';
import { inTenant, type Db } from '../../../../db/connection.ts';
import type { TenantId } from '../../../../domain/ids.ts';
import { createApiKey, ensureTenant } from '../../../../db/queries/tenants.ts';
import { KeyRing } from '../../../../security/key-ring.ts';
import { createLogger } from '../../../../telemetry/log.ts';
import { openDeps } from '../../../../workers/deps.ts';
import { startWorkers } from '../../../../workers/start.ts';
import { freePort } from '../../../../embedded/ports.ts';
import { testDatabase, testTemporal } from '../../../harness/index.ts';
import { request } from '../../api-fixture.ts';
import { faultChannel, type FaultChannel } from './channel.ts';

export type { FaultChannel };

export interface ProductTenant {
  readonly id: TenantId;
  call<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T>;
}

export interface Product {
  /** Of the API. */
  readonly url: string;
  readonly db: Db;
  /** Another tenant, as its admin. */
  tenant(name: string): Promise<ProductTenant>;
  /** @param address default one of the provider's name */
  channel(provider: string, settings: object, address?: string): Promise<FaultChannel>;
  /** What is kept of a channel's push subscription, also once it is deleted. */
  watchOf(channelId: string): Promise<unknown>;
  /** A call of the API, by its path. @throws Error where it is refused */
  call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
  /** The workers end, and others take over what they left. */
  restartWorkers(): Promise<void>;
  stop(): Promise<void>;
}

interface ProductOptions extends ProviderOptions {
  /** Of what stands before the API; default the API itself. */
  readonly publicUrl?: (apiUrl: string) => Promise<string>;
}

/** The API and the workers on real servers, in this process. */
export async function startProduct({
  publicUrl = (apiUrl) => Promise.resolve(apiUrl),
  ...options
}: ProductOptions = {}): Promise<Product> {
  const [database, temporal, port] = await Promise.all([
    testDatabase(),
    testTemporal(),
    freePort(),
  ]);
  const config = loadConfig({
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    POSTROOM_MASTER_KEY: KeyRing.generate(),
    POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.1',
    POSTROOM_API_PORT: String(port),
    POSTROOM_PUBLIC_URL: await publicUrl(`http://127.0.0.1:${port}`),
  });
  const deps = openDeps(config, createLogger('fatal'));
  const work = () =>
    startWorkers(deps, ['mailboxes', 'tickets', 'providers', 'processes'], options);
  let workers = await work();
  const api = await startApi(deps);

  async function tenant(name: string): Promise<ProductTenant> {
    const id = await ensureTenant(deps.db, name);
    const { key } = await createApiKey(deps.db, id, name, ['*']);
    const authorization = `Bearer ${key}`;
    return {
      id,
      async call<T>(method: string, path: string, body?: unknown) {
        const answer = await request(api.url + path, method, body, { authorization });
        if (answer.status >= 400)
          throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
        return answer.body as T; // the caller names the resource's shape
      },
    };
  }
  const faults = await tenant('faults');
  const { id: tenantId } = faults;
  const call = (...asked: Parameters<Product['call']>) => faults.call(...asked);

  return {
    url: api.url,
    db: deps.db,
    tenant,
    call,
    watchOf: (id) =>
      inTenant(deps.db, tenantId, async (tx) => {
        const { watch } = await tx
          .selectFrom('channels')
          .select('watch')
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        return watch;
      }),
    async channel(provider, settings, address = `support-${provider}@example.test`) {
      const made = await call('POST', '/v1/channels', {
        provider,
        name: provider,
        address,
        settings,
      });
      return faultChannel({ db: deps.db, tenantId, call }, made);
    },
    async restartWorkers() {
      await workers.stop();
      workers = await work();
    },
    async stop() {
      await api.close();
      await workers.stop();
      await deps.close();
    },
  };
}
