import { Client, type Connection } from '@temporalio/client';
import { Worker, type NativeConnection } from '@temporalio/worker';
import { z } from 'zod';
import type { Deps } from '../../activities/deps.ts';
import { createMailboxStateActivities } from '../../activities/mailbox-state.ts';
import { createMailboxSyncActivities } from '../../activities/mailbox-sync.ts';
import { createMailboxWaitActivities } from '../../activities/mailbox-wait.ts';
import { createMailboxWatchActivities } from '../../activities/mailbox-watch.ts';
import { loadConfig } from '../../config/config.ts';
import { connect, inTenant } from '../../db/connection.ts';
import { sealSecrets } from '../../db/queries/channels.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { RightOfWay } from '../../domain/right-of-way.ts';
import type { ChannelProvider, ProviderCall } from '../../providers/contract.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createGuardedNetwork } from '../../security/ssrf-guard.ts';
import { createLogger } from '../../telemetry/log.ts';
import { workflowBundle } from '../../workers/temporal/bundle.ts';
import {
  CHANGED_SIGNAL,
  mailboxWorkflowId,
  mailboxWorkflowType,
  NUDGE_SIGNAL,
  type MailboxInput,
  type MailboxNews,
} from '../../workflows/contracts/mailbox.ts';
import { providerQueue, QUEUE } from '../../workflows/contracts/queues.ts';
import { testDatabase } from '../harness/index.ts';
import { seedChannel } from './channel-seed.ts';

const Settings = z.object({ password: z.string(), watch_enabled: z.boolean().default(true) });
type Settings = z.infer<typeof Settings>;

/** Workflows that a worker remembers; the least there can be. */
const CACHED = 2;

/** What a vendor's trouble is in a renewal or a release. */
export type Trouble = 'none' | 'away' | 'lost answer';

/** A vendor whose push subscriptions last for some days, by the server's clock. */
export class PushingVendor {
  readonly mails: { readonly id: string; readonly at: Date }[] = [];
  readonly renewals: number[] = [];
  released = 0;
  releasesTried = 0;
  /** Renewals that came after the one before had ended. */
  lapses = 0;
  expiresAt = 0;
  lifeMs: number;
  trouble: Trouble = 'none';
  releaseTrouble: Trouble = 'none';
  /** With which password the subscription was ended. */
  releasedWith: string | null = null;
  /** While each renewal is made, a mail comes that no watch tells of. */
  mailAtRenewals = false;
  /** Syncs that wait for `hold` to end. */
  held = 0;
  #gate: Promise<void> = Promise.resolve();
  readonly #now: () => Promise<number>;

  constructor(now: () => Promise<number>, lifeMs: number) {
    this.#now = now;
    this.lifeMs = lifeMs;
  }

  async deliver(agoMs = 0): Promise<void> {
    const at = new Date((await this.#now()) - agoMs);
    this.mails.push({ id: `m${this.mails.length + 1}`, at });
  }

  /** From now on no sync ends before what this returns is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    this.held = 0;
    return resolve;
  }

  provider(): ChannelProvider {
    const provider: ChannelProvider<Settings> = {
      manifest: {
        name: 'vendor',
        title: 'Vendor',
        settings: Settings,
        secrets: ['password'],
        source: 'mime',
      },
      mailbox: {
        folders: () => ['mail'],
        fetch: (_call, _folder, cursor) => this.#fetch((cursor as number | null) ?? 0),
        renew: (call) => this.#renew(call),
        release: (call) => this.#release(call),
      },
    };
    return provider as unknown as ChannelProvider; // as the registry registers its own
  }

  async *#fetch(from: number) {
    this.held += 1;
    await this.#gate;
    const items = this.mails.slice(from).map(({ id, at }) => ({
      providerMessageId: id,
      receivedAt: at,
      source: Buffer.from(
        `From: ada@example.com\r\nSubject: ${id}\r\nMessage-ID: <${id}@example.com>\r\n\r\nHello\r\n`,
      ),
    }));
    if (items.length > 0) yield { items, cursor: from + items.length };
  }

  async #renew({ settings, watch }: ProviderCall<Settings>) {
    if (!settings.watch_enabled) return null;
    const now = await this.#now();
    meet(this.trouble === 'away');
    const known = (watch as { n: number } | null)?.n ?? 0;
    if (known > 0 && now > this.expiresAt) this.lapses += 1;
    this.expiresAt = now + this.lifeMs;
    this.renewals.push(now);
    if (this.mailAtRenewals) await this.deliver();
    // The worker is gone before it could tell.
    if (this.trouble === 'lost answer') {
      this.trouble = 'none';
      throw new Error('The worker was killed.');
    }
    return { expiresAt: new Date(this.expiresAt), state: { n: this.renewals.length } };
  }

  #release({ settings }: ProviderCall<Settings>): Promise<void> {
    this.releasesTried += 1;
    meet(this.releaseTrouble === 'away');
    this.released += 1;
    this.releasedWith = settings.password;
    this.expiresAt = 0;
    return Promise.resolve();
  }
}

function meet(isAway: boolean): void {
  if (!isAway) return;
  throw new ProviderFailure({
    code: 'vendor.away',
    class: 'retry',
    message: 'The vendor does not answer; it is tried again.',
  });
}

export type WatchFixture = Awaited<ReturnType<typeof startMailbox>>;

/** A Temporal server, the time-skipping or the real one; its search attributes are registered. */
export interface WatchServer {
  readonly connection: Connection;
  readonly nativeConnection: NativeConnection;
  /** Absent: `default`. */
  readonly namespace?: string;
}

/** One channel's mailbox workflow with its real activities, on the server given and a Postgres of its own. */
export async function startMailbox(
  env: WatchServer,
  vendor: PushingVendor,
  settings: Record<string, unknown> = {},
) {
  const { url } = await testDatabase();
  const log = createLogger('fatal');
  const db = connect({ url, poolSize: 6, log });
  const keys = KeyRing.parse(KeyRing.generate());
  const { namespace = 'default' } = env;
  const client = new Client({ connection: env.connection, namespace });
  const network = createGuardedNetwork({ allow: [] });
  const deps: Deps = {
    config: loadConfig({}),
    db,
    keys,
    log,
    way: new RightOfWay(),
    network: () => Promise.resolve(network),
    // Tickets are none of this story: what is left for Temporal stays in the outbox.
    relay: {
      flush: () => Promise.resolve(),
      command: () => Promise.reject(new Error('no command is expected here')),
      workflowUrl: (id) => id,
    },
  };
  const tenantId: TenantId = await ensureTenant(db, 'watch');
  const channelId: ChannelId = newId('channel');
  await seedChannel(db, tenantId, {
    id: channelId,
    provider: 'vendor',
    name: 'Vendor',
    settings: { poll_seconds: 1, ...settings },
    secrets: sealSecrets({ password: 's3cret' }, channelId, keys),
  });

  const provider = vendor.provider();
  const options = { findProvider: () => provider };
  const prefix = `${channelId}-`;
  const stopWorkers = await startWorkers();

  async function startWorkers(): Promise<() => Promise<void>> {
    const worker = async (queue: string, activities: object, withWorkflows = false) =>
      Worker.create({
        connection: env.nativeConnection,
        namespace,
        taskQueue: prefix + queue,
        activities: { ...activities },
        maxHeartbeatThrottleInterval: '1 second',
        defaultHeartbeatThrottleInterval: '1 second',
        ...(withWorkflows
          ? { workflowBundle: await workflowBundle(), maxCachedWorkflows: CACHED }
          : {}),
      });
    const workers = [
      await worker(QUEUE.mailboxes, createMailboxStateActivities(deps, options), true),
      await worker(providerQueue('vendor'), {
        ...createMailboxSyncActivities(deps, options),
        ...createMailboxWatchActivities(deps, options),
      }),
      await worker(QUEUE.waits, createMailboxWaitActivities(deps, options)),
    ];
    const running = workers.map((one) => one.run());
    return async () => {
      for (const one of workers) one.shutdown();
      await Promise.all(running);
    };
  }

  const input: MailboxInput = { tenantId, channelId, provider: 'vendor' };
  const handle = await client.workflow.start(mailboxWorkflowType, {
    workflowId: mailboxWorkflowId(input),
    taskQueue: prefix + QUEUE.mailboxes,
    args: [input],
  });
  return {
    deps,
    tenantId,
    channelId,
    handle,
    nudge: (news?: MailboxNews) => handle.signal(NUDGE_SIGNAL, ...(news ? [news] : [])),
    /** The admin changed something. */
    changed: () => handle.signal(CHANGED_SIGNAL),
    channel: () =>
      inTenant(db, tenantId, (tx) =>
        tx.selectFrom('channels').selectAll().where('id', '=', channelId).executeTakeFirstOrThrow(),
      ),
    messages: () =>
      inTenant(db, tenantId, async (tx) =>
        (await tx.selectFrom('messages').select('provider_message_id').execute()).map(
          (row) => row.provider_message_id,
        ),
      ),
    events: async () => (await handle.describe()).historyLength,
    /** Nothing is under way but a timer. */
    isAsleep: async () =>
      Boolean((await handle.fetchHistory()).events?.at(-1)?.timerStartedEventAttributes),
    /**
     * What the worker knew of the workflow is gone, as with a new worker: others take its places, and the next task is
     * worked from the history. (A second worker on this server is handed the tasks of the first one's open polls.)
     */
    async forget() {
      for (let place = 0; place < CACHED; place += 1) {
        const other: MailboxInput = { ...input, channelId: newId('channel') };
        await client.workflow.execute(mailboxWorkflowType, {
          workflowId: mailboxWorkflowId(other),
          taskQueue: prefix + QUEUE.mailboxes,
          args: [other],
        });
      }
    },
    async stop() {
      await stopWorkers();
      await network.close();
      await db.destroy();
    },
  };
}
