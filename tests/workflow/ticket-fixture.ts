import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
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
import { createTickets, lockTickets, startOf } from '../../db/queries/tickets.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type ContactId, type TicketId } from '../../domain/ids.ts';
import type { ChannelProvider, OutgoingMessage } from '../../providers/contract.ts';
import { manifest } from '../../providers/smtp/manifest.ts';
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
import { testDatabase } from '../harness/index.ts';

// Failing sends are part of the tests.
Runtime.install({ logger: new DefaultLogger('ERROR') });

export const ACTOR = { type: 'agent', id: 'agt_test' } as const;

/** A sender that keeps what it is given: what a mail server would have received. */
export function keepingSender(): { provider: ChannelProvider; sent: OutgoingMessage[] } {
  const sent: OutgoingMessage[] = [];
  const provider = {
    manifest,
    sender: {
      async send(_call: unknown, message: OutgoingMessage, transmitting: () => Promise<void>) {
        await transmitting();
        sent.push(message);
        return { providerMessageId: null };
      },
    },
  };
  return { provider: provider as unknown as ChannelProvider, sent };
}

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
  const deps: Deps = { config, db, keys, relay, log, network: () => Promise.resolve(network) };
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

  const tenantId = await ensureTenant(db, 'acme');
  const accountId = newId('channel');
  const requesterId = newId('contact');
  await inTenant(db, tenantId, async (tx) => {
    const tenant_id = tenantId;
    await tx
      .insertInto('channels')
      .values({
        id: accountId,
        tenant_id,
        provider: 'smtp',
        name: 'Support',
        address: 'help@acme.test',
        secrets: null,
        ingress_token_hash: null,
      })
      .execute();
    await tx.insertInto('contacts').values({ id: requesterId, tenant_id, name: 'Ada' }).execute();
    await tx
      .insertInto('contact_addresses')
      .values({ tenant_id, address: 'ada@example.com', contact_id: requesterId })
      .execute();
  });

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
    async open(now: Date, status: 'open' | 'spam' = 'open'): Promise<TicketId> {
      const pending = new Pending(tenantId);
      const id = newId('ticket', now.getTime());
      await inDb(async (tx) => {
        const rules = await loadTicketRules(tx, tenantId);
        const [row] = await createTickets(
          tx,
          tenantId,
          rules,
          [
            {
              ...{ id, subject: 'Printer on fire', channel: 'smtp', accountId, status },
              requesterId: requesterId as ContactId,
              participants: [requesterId],
              messages: 1,
            },
          ],
          { type: 'ingestion', id: accountId },
          now,
        );
        await insertMail(tx, { tenantId, accountId, ticketId: id, now });
        await pending.startTickets(tx, [startOf(row!)]);
      });
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
          ...{ id, ticketId, kind, actor: ACTOR, payload },
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

    /** Until nothing has been added to the history for a while of real time. */
    async settle(ticketId: string): Promise<void> {
      for (let before = -1, quiet = 0; quiet < 4;) {
        const { historyLength } = await handleOf(ticketId).describe();
        quiet = historyLength === before ? quiet + 1 : 0;
        before = historyLength;
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

    async stop(): Promise<void> {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
      await db.destroy();
    },
  };
}

/** The customer's mail, in the form that the parser gives it. */
export async function insertMail(
  tx: Parameters<Parameters<typeof inTenant>[2]>[0],
  {
    tenantId,
    accountId,
    ticketId,
    now,
  }: { tenantId: string; accountId: string; ticketId: string; now: Date },
): Promise<void> {
  const id = newId('message');
  const message_id = `${id}@example.com`;
  const body = {
    ...{ channel: 'smtp', direction: 'inbound', kind: 'message', status: 'received' },
    ...{ priority: 'normal', from: 'ada@example.com', reply_to: [], cc: [], bcc: [] },
    sender: { name: 'Ada', address: 'ada@example.com' },
    to: [{ name: '', address: 'help@acme.test' }],
    ...{ subject: 'Printer on fire', content: 'It burns.', new_content: 'It burns.' },
    ...{
      quoted_content: null,
      html: null,
      message_id,
      in_reply_to: [],
      references: ['root@example.com'],
    },
    metadata: { service_specific_data: {}, platform_specific: {} },
  };
  await tx
    .insertInto('messages')
    .values({
      ...{ id, tenant_id: tenantId, ticket_id: ticketId, channel_id: accountId, message_id },
      ...{ direction: 'inbound', status: 'received', source_id: null, provider_message_id: null },
      ...{ content_hash: null, author_id: null, send_phase: null },
      body: JSON.stringify(body),
      timestamp: now,
    })
    .execute();
}
