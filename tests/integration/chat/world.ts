import { sql, type Selectable } from 'kysely';
import type { ChatProvider } from '../../../providers/chat-provider.ts';
import { fetchMissingFiles } from '../../../activities/chat-media.ts';
import type { Deps } from '../../../activities/deps.ts';
import { ingestStaged } from '../../../activities/ingestion.ts';
import { connect, inTenant, type Db } from '../../../db/connection.ts';
import type { Database } from '../../../db/schema.ts';
import { loadChannel, type LoadedChannel } from '../../../db/queries/channels.ts';
import { stageReceipts } from '../../../db/queries/sources.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../../domain/ids.ts';
import { RightOfWay } from '../../../domain/right-of-way.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { createLogger } from '../../../telemetry/log.ts';
import type { PendingWork } from '../../../workflows/contracts/relay.ts';
import { testDatabase } from '../../harness/index.ts';
import { pigeon, sourceOf, type Note, type Pigeon } from './pigeon.ts';

/** One tenant with a chat's channel: what is received goes through the product's own ingestion. */
export interface ChatWorld {
  readonly db: Db;
  readonly deps: Deps;
  readonly pigeon: Pigeon;
  readonly tenantId: TenantId;
  readonly flushed: PendingWork[];
  channel: LoadedChannel;
  /** Stages messages as one call's, and ingests what is staged. Returns how many are new. */
  receive(...notes: Note[]): Promise<number>;
  stage(...notes: Note[]): Promise<void>;
  ingest(): Promise<number>;
  /** What a sync does after it: fetches files that are due. Returns when there is more to do, in seconds. */
  fetchFiles(): Promise<number | null>;
  newChannel(settings?: Record<string, unknown>): Promise<LoadedChannel>;
  rows<Table extends keyof Tables>(table: Table): Promise<Tables[Table][]>;
}

type Tables = {
  [Table in keyof typeof ORDER]: Selectable<Database[Table]>;
};

export async function openDatabase(): Promise<Db> {
  const { url } = await testDatabase();
  return connect({ url, poolSize: 6 });
}

export async function chatWorld(db: Db): Promise<ChatWorld> {
  const tenantId = await ensureTenant(db, `tenant ${Math.random()}`);
  const keys = KeyRing.parse(KeyRing.generate());
  const flushed: PendingWork[] = [];
  const vendor = pigeon();
  const deps = {
    db,
    keys,
    config: { environment: {}, smtp: { maxBytes: 5 * 1_048_576 }, publicUrl: 'http://here' },
    network: () => Promise.resolve({}),
    log: createLogger('fatal'),
    way: new RightOfWay(),
    relay: {
      flush: (work: PendingWork) => {
        flushed.push(work);
        return Promise.resolve();
      },
      command: () => Promise.reject(new Error('no commands here')),
      workflowUrl: (id: string) => id,
    },
  } as unknown as Deps; // what ingestion needs of it

  async function newChannel(settings: Record<string, unknown> = {}): Promise<LoadedChannel> {
    const id = newId('channel');
    await inTenant(db, tenantId, (tx) =>
      tx
        .insertInto('channels')
        .values({
          id,
          tenant_id: tenantId,
          provider: 'pigeon',
          name: 'Pigeon',
          address: '+4930000',
          settings: JSON.stringify(settings),
        })
        .execute(),
    );
    return (await loadChannel(db, keys, tenantId, id))!;
  }

  const world: ChatWorld = {
    db,
    deps,
    pigeon: vendor,
    tenantId,
    flushed,
    channel: await newChannel(),
    newChannel,
    async receive(...notes) {
      await world.stage(...notes);
      return world.ingest();
    },
    async stage(...notes) {
      await inTenant(db, tenantId, (tx) =>
        stageReceipts(
          tx,
          tenantId,
          world.channel.facts.id,
          notes.map((note) => ({
            source: sourceOf(note),
            providerMessageId: note.id,
            receivedAt: new Date(),
          })),
        ),
      );
    },
    ingest: () =>
      ingestStaged(
        deps,
        world.channel,
        () => {},
        () => vendor.provider,
      ),
    fetchFiles: () =>
      fetchMissingFiles(
        deps,
        world.channel,
        vendor.provider as ChatProvider,
        () => {},
        async () => void (await world.ingest()),
      ),
    async rows(table) {
      const { rows } = await inTenant(db, tenantId, (tx) =>
        sql<never>`select * from ${sql.table(table)} order by ${sql.ref(ORDER[table])}`.execute(tx),
      );
      return rows;
    },
  };
  return world;
}

const ORDER = {
  tickets: 'number',
  messages: 'id',
  sources: 'id',
  events: 'position',
  contacts: 'id',
  conversations: 'address',
  attachments: 'id',
  pending_media: 'position',
} as const;
