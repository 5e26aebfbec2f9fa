import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { temporal } from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createSendingActivities } from '../../activities/sending.ts';
import { createTicketActivities } from '../../activities/tickets.ts';
import type { Deps } from '../../activities/deps.ts';
import { loadConfig } from '../../config/config.ts';
import { connect, inTenant } from '../../db/connection.ts';
import { insertCommand } from '../../db/queries/commands.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { loadTicketRules } from '../../db/queries/ticket-rules.ts';
import { snapshotOf } from '../../db/queries/ticket-snapshot.ts';
import { lockTickets } from '../../db/queries/tickets.ts';
import { newId, type TicketId } from '../../domain/ids.ts';
import { RightOfWay } from '../../domain/right-of-way.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createGuardedNetwork } from '../../security/ssrf-guard.ts';
import { createLogger } from '../../telemetry/log.ts';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { TemporalRelay } from '../../workers/temporal/relay.ts';
import { providerQueue, QUEUE } from '../../workflows/contracts/queues.ts';
import {
  ticketWorkflowId,
  ticketWorkflowType,
  WAKE_SIGNAL,
  type CommandOutcome,
  type CommandUpdate,
} from '../../workflows/contracts/ticket.ts';
import { testDatabase } from '../harness/database.ts';
import { ACTOR, keepingSender, openTicket, seedTenant } from './ticket-seed.ts';

// Failing sends are part of the tests.
Runtime.install({ logger: new DefaultLogger('ERROR') });

export type Tickets = Awaited<ReturnType<typeof startTickets>>;

/** Ticket workers on a given Temporal server and a Postgres of their own, with a tenant and its mail channel. */
export async function startTickets(
  place: Pick<TestWorkflowEnvironment, 'nativeConnection' | 'connection'> & {
    namespace?: string;
    skipsTime?: boolean;
  },
  provider = keepingSender(),
) {
  const namespace = place.namespace ?? 'default';
  const { url } = await testDatabase();
  const log = createLogger('error');
  const db = connect({ url, poolSize: 6, log });
  const keys = KeyRing.parse(KeyRing.generate());
  const client = new Client({ connection: place.connection, namespace });
  await registerSearchAttributes(client, namespace);
  const config = loadConfig({ TEMPORAL_NAMESPACE: namespace });
  const relay = new TemporalRelay(client, db, config.temporal, log);
  const network = createGuardedNetwork({ allow: [] });
  const deps: Deps = {
    config,
    db,
    keys,
    relay,
    log,
    way: new RightOfWay(),
    network: () => Promise.resolve(network),
  };
  const options = { findProvider: () => provider.provider };
  const common = { connection: place.nativeConnection, namespace };
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/ticket.ts', import.meta.url)),
    logger: { trace() {}, debug() {}, info() {}, log() {}, warn() {}, error() {} },
  });
  const workers = [
    await Worker.create({
      ...common,
      taskQueue: QUEUE.tickets,
      workflowBundle,
      activities: createTicketActivities(deps, options),
    }),
    await Worker.create({
      ...common,
      taskQueue: providerQueue('smtp'),
      activities: createSendingActivities(deps, options),
    }),
  ];
  const running = workers.map((worker) => worker.run());

  const seed = await seedTenant(db);
  const { tenantId, accountId } = seed;

  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(db, tenantId, work);
  const handleOf = (ticketId: string) =>
    client.workflow.getHandle(ticketWorkflowId({ tenantId, ticketId }));

  return {
    db,
    keys,
    deps,
    client,
    relay,
    tenantId,
    accountId,
    provider,
    inDb,
    handleOf,

    /** A ticket with one mail in it, as ingestion makes it at `now`. */
    async open(now: Date): Promise<TicketId> {
      const pending = new Pending(tenantId);
      const id = await openTicket(db, seed, now, pending);
      if (!place.skipsTime) await relay.flush(pending);
      // A start's delay, cut short, leaves the time-skipping server's clock running away.
      else
        await client.workflow.start(ticketWorkflowType, {
          workflowId: ticketWorkflowId({ tenantId, ticketId: id }),
          taskQueue: QUEUE.tickets,
          args: [{ tenantId, ticketId: id }],
        });
      return id;
    },

    /** What the API does: the content in a row, then the Update. */
    async command(
      ticketId: string,
      kind: CommandUpdate,
      payload: Record<string, unknown>,
      more: { id?: ReturnType<typeof newId<'command'>>; ifVersion?: number } = {},
    ): Promise<CommandOutcome> {
      const id = more.id ?? newId('command');
      await inDb((tx) =>
        insertCommand(tx, tenantId, {
          id,
          ticketId,
          kind,
          actor: ACTOR,
          payload,
          ifVersion: more.ifVersion,
        }),
      );
      if (!place.skipsTime) return relay.command({ tenantId, ticketId }, kind, id);
      // So does update-with-start.
      return handleOf(ticketId).executeUpdate(kind, { updateId: id, args: [{ commandId: id }] });
    },

    wake: (ticketId: string) => handleOf(ticketId).signal(WAKE_SIGNAL),

    row: async (ticketId: string) =>
      inDb(async (tx) => (await lockTickets(tx, [ticketId])).get(ticketId)!),

    /** When the workflow's next timer rings, as far as the ticket's row tells. */
    async nextDue(ticketId: string): Promise<number | null> {
      const snapshot = await inDb(async (tx) => {
        const row = (await lockTickets(tx, [ticketId])).get(ticketId)!;
        return snapshotOf(tx, row, await loadTicketRules(tx, tenantId));
      });
      const times = [snapshot.slaDueAt, snapshot.closesAt, snapshot.endsAt].flatMap((at) =>
        at === null ? [] : [Date.parse(at)],
      );
      return times.length === 0 ? null : Math.min(...times);
    },

    /** Until no worker has anything of it in hand, and nothing has been added to the history for a while of real time. */
    async settle(ticketId: string): Promise<void> {
      for (let before = -1, quiet = 0; quiet < 4;) {
        const { events } = await handleOf(ticketId).fetchHistory();
        const isQuiet = events!.length === before && !isInHand(events!);
        quiet = isQuiet ? quiet + 1 : 0;
        before = events!.length;
        await sleep(25);
      }
    },

    eventTypes: async (ticketId: string): Promise<string[]> =>
      (
        await inDb((tx) =>
          tx
            .selectFrom('events')
            .select('type')
            .where('ticket_id', '=', ticketId)
            .orderBy('sequence')
            .execute(),
        )
      ).map(({ type }) => type),

    audit: (ticketId: string) =>
      inDb((tx) =>
        tx
          .selectFrom('audit')
          .select(['action', 'reason', 'at', 'changes'])
          .where('ticket_id', '=', ticketId)
          .orderBy('id')
          .execute(),
      ),

    historyLength: async (ticketId: string): Promise<number> =>
      (await handleOf(ticketId).describe()).historyLength,

    /** Runs every ticket's history so far through the workflow's code again. @throws where it would now do otherwise. */
    async replayAll(ticketIds: readonly string[]): Promise<void> {
      for (const id of ticketIds) {
        const history = await handleOf(id).fetchHistory();
        await Worker.runReplayHistory(
          { workflowBundle },
          history,
          ticketWorkflowId({ tenantId, ticketId: id }),
        );
      }
    },

    async stop(): Promise<void> {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
      await db.destroy();
    },
  };
}

/** A workflow task is scheduled or under way: with it are the local activities that it runs. */
function isInHand(events: readonly temporal.api.history.v1.IHistoryEvent[]): boolean {
  const last = events.findLast(
    (event) =>
      event.workflowTaskScheduledEventAttributes ??
      event.workflowTaskStartedEventAttributes ??
      event.workflowTaskCompletedEventAttributes ??
      event.workflowTaskFailedEventAttributes ??
      event.workflowTaskTimedOutEventAttributes,
  );
  return Boolean(
    last?.workflowTaskScheduledEventAttributes ?? last?.workflowTaskStartedEventAttributes,
  );
}
