import type { ProviderOptions } from '../../../../activities/sending.ts';
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
import { eventually, testDatabase, testTemporal } from '../../../harness/index.ts';
import { request } from '../../api-fixture.ts';

export interface FaultChannel {
  readonly id: string;
  /** Where the vendor calls it; null where it has no door. */
  readonly doorUrl: string | null;
  sync(): Promise<void>;
  /** The same, and waits until a sync that began after it has ended. */
  synced(): Promise<void>;
  status(): Promise<{
    state: string;
    detail: string;
    last_error: { type: string; detail: string } | null;
    watch_expires_at: string | null;
  }>;
  /** Message-IDs of all that was taken in, one for each message; of a chat's the vendor's own. */
  received(): Promise<(string | null)[]>;
  /** SHA-256 of all files of its messages. */
  files(): Promise<string[]>;
  /** Files that could not be fetched yet are due at once, as if their time had come. @returns why they could not be */
  hastenFiles(): Promise<string[]>;
  /** How many sources are in each state; of those set aside also why. */
  sources(): Promise<Readonly<Record<string, number>>>;
  remove(): Promise<void>;
}

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

interface MessagePage {
  readonly data: readonly { readonly attachments: readonly { readonly sha256: string }[] }[];
  readonly next_cursor: string | null;
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
      const id = String(made.id);
      const path = `/v1/channels/${id}`;
      return {
        id,
        doorUrl: (made.ingress_url as string | undefined) ?? null,
        sync: async () => void (await call('POST', `${path}/sync`)),
        async synced() {
          await call('POST', `${path}/sync`);
          await eventually(async () => {
            const { requested, answered } = await inTenant(deps.db, tenantId, (tx) =>
              tx
                .selectFrom('channels')
                .select(['sync_requested as requested', 'sync_answered as answered'])
                .where('id', '=', id)
                .executeTakeFirstOrThrow(),
            );
            if (answered < requested) throw new Error('The sync has not ended.');
          }, 60_000);
        },
        status: async () =>
          (await call('GET', `${path}/status`)) as unknown as Awaited<
            ReturnType<FaultChannel['status']>
          >,
        received: () =>
          inTenant(deps.db, tenantId, async (tx) => {
            const rows = await tx
              .selectFrom('messages')
              .select(['message_id', 'provider_message_id'])
              .where('channel_id', '=', id)
              .execute();
            return rows.map((row) => row.message_id ?? row.provider_message_id);
          }),
        sources: () =>
          inTenant(deps.db, tenantId, async (tx) => {
            const rows = await tx
              .selectFrom('sources')
              .select(['status', 'error'])
              .where('channel_id', '=', id)
              .execute();
            const counts: Record<string, number> = {};
            for (const { status, error } of rows) {
              const state = error ? `${status} (${error.type}: ${error.detail})` : status;
              counts[state] = (counts[state] ?? 0) + 1;
            }
            return counts;
          }),
        async files() {
          const hashes: string[] = [];
          for (let cursor = ''; ;) {
            const page = (await call(
              'GET',
              `/v1/messages?account_id=${id}&limit=100${cursor}`,
            )) as unknown as MessagePage;
            for (const { attachments } of page.data)
              hashes.push(...attachments.map(({ sha256 }) => sha256));
            if (page.next_cursor === null) return hashes;
            cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
          }
        },
        hastenFiles: () =>
          inTenant(deps.db, tenantId, async (tx) => {
            const rows = await tx
              .updateTable('pending_media')
              .set({ next_at: new Date() })
              .where('channel_id', '=', id)
              .returning(['attempts', 'error', 'given_up'])
              .execute();
            return rows.map((row) => JSON.stringify(row));
          }),
        remove: async () => void (await call('DELETE', path)),
      };
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
