import { inTenant, type Db } from '../../../../db/connection.ts';
import type { TenantId } from '../../../../domain/ids.ts';
import { eventually } from '../../../harness/index.ts';

const WITHIN_MS = 60_000;

/** What the tests look at of a message. */
export interface ShownMessage {
  readonly id: string;
  readonly ticket_id: string | null;
  readonly direction: string;
  readonly kind: string;
  readonly status: string;
  readonly from: string;
  readonly sender: { readonly name: string };
  readonly content: string;
  readonly provider_message_id: string | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
  readonly attachments: readonly {
    readonly content_type: string;
    readonly size: number;
    readonly sha256: string;
  }[];
  readonly metadata: { readonly platform_specific: Record<string, unknown> };
}

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
  /** The hundred latest, as the API shows them. */
  messages(): Promise<ShownMessage[]>;
  /** @throws Error where it is not among the latest */
  message(providerMessageId: string): Promise<ShownMessage>;
  /** The same, once they are all there. */
  arrived(...providerMessageIds: string[]): Promise<ShownMessage[]>;
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

interface MessagePage {
  readonly data: readonly ShownMessage[];
  readonly next_cursor: string | null;
}

interface Place {
  readonly db: Db;
  readonly tenantId: TenantId;
  readonly call: (method: string, path: string, body?: unknown) => Promise<Record<string, unknown>>;
}

/** @param made what the API answered to its making */
export function faultChannel(
  { db, tenantId, call }: Place,
  made: Record<string, unknown>,
): FaultChannel {
  const id = String(made['id']);
  const path = `/v1/channels/${id}`;
  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(db, tenantId, work);
  const page = async (cursor = '') =>
    (await call(
      'GET',
      `/v1/messages?account_id=${id}&limit=100${cursor}`,
    )) as unknown as MessagePage;
  const messages = async () => [...(await page()).data];
  async function message(providerMessageId: string): Promise<ShownMessage> {
    const found = (await messages()).find((one) => one.provider_message_id === providerMessageId);
    if (!found) throw new Error(`There is no message ${providerMessageId} yet.`);
    return found;
  }
  const sync = async () => void (await call('POST', `${path}/sync`));

  return {
    id,
    doorUrl: (made['ingress_url'] as string | undefined) ?? null,
    sync,
    async synced() {
      await sync();
      await eventually(async () => {
        const { requested, answered } = await inDb((tx) =>
          tx
            .selectFrom('channels')
            .select(['sync_requested as requested', 'sync_answered as answered'])
            .where('id', '=', id)
            .executeTakeFirstOrThrow(),
        );
        if (answered < requested) throw new Error('The sync has not ended.');
      }, WITHIN_MS);
    },
    status: async () =>
      (await call('GET', `${path}/status`)) as unknown as Awaited<
        ReturnType<FaultChannel['status']>
      >,
    messages,
    message,
    async arrived(...providerMessageIds) {
      let found: ShownMessage[] = [];
      await eventually(async () => {
        found = await Promise.all(providerMessageIds.map(message));
      }, WITHIN_MS);
      return found;
    },
    received: () =>
      inDb(async (tx) => {
        const rows = await tx
          .selectFrom('messages')
          .select(['message_id', 'provider_message_id'])
          .where('channel_id', '=', id)
          .execute();
        return rows.map((row) => row.message_id ?? row.provider_message_id);
      }),
    sources: () =>
      inDb(async (tx) => {
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
      for (let cursor: string | undefined = ''; cursor !== undefined;) {
        const { data, next_cursor: next } = await page(cursor);
        for (const { attachments } of data) hashes.push(...attachments.map(({ sha256 }) => sha256));
        cursor = next === null ? undefined : `&cursor=${encodeURIComponent(next)}`;
      }
      return hashes;
    },
    hastenFiles: () =>
      inDb(async (tx) => {
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
}
