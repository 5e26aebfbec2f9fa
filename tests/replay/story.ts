import { NativeConnection, Worker } from '@temporalio/worker';
import { createDispatcherActivities } from '../../activities/dispatcher.ts';
import { freePort } from '../../embedded/ports.ts';
import { workflowBundle } from '../../workers/temporal/bundle.ts';
import { dataConverter } from '../../workers/temporal/data-converter.ts';
import { QUEUE } from '../../workflows/contracts/queues.ts';
import { scheduledMessageWorkflowId } from '../../workflows/contracts/scheduled-message.ts';
import {
  webhookDispatcherWorkflowId,
  webhookDispatcherWorkflowType,
} from '../../workflows/contracts/webhook-dispatcher.ts';
import { eventually } from '../harness/eventually.ts';
import { recordedWorkflows } from '../harness/histories.ts';
import { Cast, type Chooser, type Login } from './cast.ts';
import { runPushed } from './pushed-mailboxes.ts';
import { runSubscribed } from './subscribed-doors.ts';

const SECOND_OF_MINUTES = 1 / 60;
const SECOND_OF_HOURS = 1 / 3600;
const SECOND_OF_DAYS = 1 / 86_400;

const login = (name: string): Login => ({ username: `${name}@example.test`, password: 'secret' });
const WATCHING = login('watching');
const PAUSED = login('paused');
const STOPPED = login('stopped');

/** A run of the product in which every workflow has come to every state, and which workflow shows which. */
export interface Story {
  readonly cast: Cast;
  readonly chosen: Readonly<Record<string, Chooser>>;
  /** Ends what stood around it. */
  end(): Promise<void>;
}

export async function live(): Promise<Story> {
  const cast = await Cast.gather([WATCHING, PAUSED, STOPPED]);
  try {
    return await played(cast);
  } catch (error) {
    await cast.end();
    throw error;
  }
}

async function played(cast: Cast): Promise<Story> {
  await shortenClocks(cast);
  const deliveries = await makeEndpoints(cast);
  await cast.postroom.startWorkers();
  const mailboxes = await runChannels(cast);
  const pushed = await runPushed(cast);
  const subscribed = await runSubscribed(cast);
  const tickets = await runTickets(cast);
  const scheduled = await runScheduled(cast);
  const { schedule } = cast.postroom.deps.client;
  await Promise.all(['drain', 'sweep'].map((name) => schedule.getHandle(name).trigger()));
  const dispatchers = await runDispatchers(cast);
  const chosen: Record<string, Chooser> = {
    ...mailboxes,
    ...pushed.chosen,
    ...subscribed.chosen,
    ...tickets,
    ...scheduled,
    ...deliveries,
    ...dispatchers,
    sweep: (workflow) => workflow.type === 'sweep' && hasClosed(workflow),
    drain: (workflow) => workflow.type === 'drain' && hasClosed(workflow),
  };
  await cast.areAllThere(chosen);
  return {
    cast,
    chosen,
    async end() {
      await cast.end();
      await pushed.simulator.close();
      await subscribed.simulator.close();
    },
  };
}

async function shortenClocks(cast: Cast): Promise<void> {
  await cast.settings({
    auto_close_hours: 2 * SECOND_OF_HOURS,
    reopen_window_days: 8 * SECOND_OF_DAYS,
  });
  const urgent = { first_response_minutes: 3 * SECOND_OF_MINUTES };
  await cast.post('/v1/sla-policies', {
    name: 'Standard',
    targets: {
      normal: { first_response_minutes: 240, resolution_minutes: 2880 },
      high: urgent,
      urgent,
    },
    warn_at_percent: [50],
    escalations: [
      { level: 1, after_minutes: 2 * SECOND_OF_MINUTES, actions: [{ type: 'raise_priority' }] },
      { level: 2, after_minutes: 4 * SECOND_OF_MINUTES, actions: [{ type: 'emit_event' }] },
    ],
  });
}

/** One takes all at once, one wants a second try, one never takes anything. */
async function makeEndpoints(cast: Cast): Promise<Record<string, Chooser>> {
  const tried = new Set<string>();
  cast.receiver.answerWith(({ path, headers }) => {
    const delivery = `${path} ${String(headers['webhook-id'])}`;
    const refuses = path === '/never' || (path === '/second' && !tried.has(delivery));
    tried.add(delivery);
    return refuses ? { status: 500 } : {};
  });
  const deliveryTo = async (path: string, max_retries: number): Promise<Chooser> => {
    const url = cast.receiver.url + path;
    const events = ['ticket.created'];
    const { id } = await cast.post('/v1/webhook-endpoints', { url, events, max_retries });
    return (workflow) => workflow.workflowId.endsWith(`/${id}`) && hasClosed(workflow);
  };
  return {
    'delivery-at-once': await deliveryTo('/at-once', 3),
    'delivery-after-failures': await deliveryTo('/second', 3),
    'delivery-given-up': await deliveryTo('/never', 1),
  };
}

/** One in its first turn, which lasts for hours, and one whose turns are short. */
async function runDispatchers({ postroom }: Cast): Promise<Record<string, Chooser>> {
  const { deps } = postroom;
  const prefix = 'brief-';
  const workflowId = `${prefix}${webhookDispatcherWorkflowId(0)}`;
  const { address, namespace } = deps.config.temporal;
  const connection = await NativeConnection.connect({ address });
  const common = { connection, namespace, dataConverter: dataConverter(deps.keys) };
  const workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: prefix + QUEUE.deliveries,
      workflowBundle: await workflowBundle(),
    }),
    Worker.create({
      ...common,
      taskQueue: prefix + QUEUE.dispatch,
      activities: createDispatcherActivities(
        { ...deps, databaseUrl: deps.config.databaseUrl! },
        { turnMs: 500 },
      ),
    }),
  ]);
  const runs = workers.map((worker) => worker.run());
  await deps.client.workflow.start(webhookDispatcherWorkflowType, {
    workflowId,
    taskQueue: prefix + QUEUE.deliveries,
  });
  const turned: Chooser = ({ workflowId: id, history }) =>
    id === workflowId &&
    (history.events ?? []).filter((event) => event.activityTaskCompletedEventAttributes).length > 1;
  await eventually(async () => {
    const recorded = await recordedWorkflows(deps.client);
    if (!recorded.some(turned)) throw new Error('The dispatcher has had no second turn.');
  }, 60_000);
  for (const worker of workers) worker.shutdown();
  await Promise.all(runs);
  await connection.close();
  return {
    'dispatcher-first-turn': ({ workflowId: id, history }) =>
      id === webhookDispatcherWorkflowId(0) &&
      (history.events ?? []).some((event) => event.activityTaskScheduledEventAttributes),
    'dispatcher-later-turn': turned,
  };
}

async function runChannels(cast: Cast): Promise<Record<string, Chooser>> {
  const { server, sink, postroom } = cast;
  const imap = { host: server.host, port: server.ports.imap, security: 'none' };
  const channel = async (name: string, settings: object) =>
    (
      await cast.post('/v1/channels', {
        provider: 'imap',
        name,
        settings: { ...imap, ...settings },
      })
    ).id;
  const smtp = { host: sink.host, port: sink.port, security: 'none' };
  const watching = await channel('Watching', { ...WATCHING, smtp });
  const paused = await channel('Paused', PAUSED);
  const stopped = await channel('Stopped', STOPPED);
  const refused = await channel('Refused', { ...login('refused'), password: 'wrong' });
  const away = await channel('Away', { ...login('away'), port: await freePort() });
  for (const id of [watching, paused, stopped]) await cast.channelIs(id, 'watching');
  await cast.post(`/v1/channels/${paused}/pause`);
  await cast.post(`/v1/channels/${stopped}`, { is_active: false }, 'PATCH');
  await cast.post(`/v1/channels/${watching}/sync`);
  await cast.channelIs(refused, 'needs_attention');
  await cast.channelIs(away, 'backing_off');
  const mailbox = (id: string): Chooser => {
    return ({ workflowId }) => workflowId === `mailbox/${postroom.tenantId}/${id}`;
  };
  return {
    'mailbox-watching': mailbox(watching),
    'mailbox-paused': mailbox(paused),
    'mailbox-stopped': mailbox(stopped),
    'mailbox-needs-attention': mailbox(refused),
    'mailbox-backing-off': mailbox(away),
  };
}

async function runTickets(cast: Cast): Promise<Record<string, Chooser>> {
  const workflowOf = (id: string) => `ticket/${cast.postroom.tenantId}/${id}`;
  // One that is still asleep has begun nothing that could be replayed.
  const ticket = (id: string): Chooser => {
    return ({ workflowId, history }) =>
      workflowId === workflowOf(id) && (history.events?.length ?? 0) > 2;
  };
  const answer = (customer: string) => cast.mail(WATCHING, customer, { answers: true });
  for (const customer of ['open', 'paused', 'replied', 'refused', 'reopened', 'followed-up'])
    cast.mail(WATCHING, customer);
  cast.mail(WATCHING, 'escalated', { urgent: true });

  const open = await cast.ticket('open');
  answer('open');
  await cast.changeTicket(open, { tags: ['awake'] });
  const paused = await cast.ticket('paused');
  await cast.changeTicket(paused, { status: 'pending' });
  const replied = await cast.ticket('replied');
  await cast.post(`/v1/tickets/${replied}/messages`, { text: 'An answer.' });
  await cast.post(`/v1/tickets/${replied}/notes`, { text: 'A note.' });
  await cast.changeTicket(replied, { priority: 'low', tags: ['recorded'] });
  await cast.sink.waitFor(1, 30_000);
  cast.sink.failNext({ kind: 'reject', at: 'data', code: 554 });
  const refused = await cast.ticket('refused');
  await cast.post(`/v1/tickets/${refused}/messages`, { text: 'An answer.' });

  const reopened = await cast.ticket('reopened');
  await cast.changeTicket(reopened, { status: 'resolved' });
  const closed = await cast.ticket('followed-up');
  await cast.changeTicket(closed, { status: 'resolved' });
  await cast.ticketIs(reopened, ({ status }) => status === 'closed');
  answer('reopened');
  await cast.ticketIs(reopened, ({ status }) => status === 'open');
  await cast.hasEnded(workflowOf(closed));
  answer('followed-up');
  const followUp = (await cast.tickets('followed-up', 2)).at(-1)!.id;
  await cast.post(`/v1/tickets/${followUp}/notes`, { text: 'A note.' });
  const escalated = await cast.ticket('escalated');
  await cast.ticketIs(escalated, ({ sla }) => sla.escalation_level >= 2);
  return {
    'ticket-open': ticket(open),
    'ticket-paused': ticket(paused),
    'ticket-replied': ticket(replied),
    'ticket-answer-refused': ticket(refused),
    'ticket-reopened': ticket(reopened),
    'ticket-closed': ticket(closed),
    'ticket-follow-up': ticket(followUp),
    'ticket-escalated': ticket(escalated),
  };
}

/** One is sent at its time, one is cancelled before. */
async function runScheduled(cast: Cast): Promise<Record<string, Chooser>> {
  cast.mail(WATCHING, 'scheduled');
  const ticket_id = await cast.ticket('scheduled');
  const at = (inMs: number) =>
    cast.post('/v1/scheduled-messages', {
      ticket_id,
      text: 'An answer.',
      send_at: new Date(Date.now() + inMs).toISOString(),
    });
  const sent = await at(2_000);
  const cancelled = await at(3_600_000);
  await cast.post(`/v1/scheduled-messages/${cancelled.id}`, {}, 'DELETE');
  const workflow = (scheduledId: string) =>
    scheduledMessageWorkflowId({ tenantId: cast.postroom.tenantId, scheduledId });
  for (const { id } of [sent, cancelled]) await cast.hasEnded(workflow(id));
  const ended = (id: string): Chooser => {
    return ({ workflowId }) => workflowId === workflow(id);
  };
  return { 'scheduled-sent': ended(sent.id), 'scheduled-cancelled': ended(cancelled.id) };
}

function hasClosed({ history }: Parameters<Chooser>[0]): boolean {
  const last = history.events?.at(-1);
  return Boolean(
    last?.workflowExecutionCompletedEventAttributes ?? last?.workflowExecutionFailedEventAttributes,
  );
}
