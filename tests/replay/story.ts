import { freePort } from '../../embedded/ports.ts';
import { changeTenantSettings } from '../../db/queries/tenants.ts';
import { dovecot } from '../harness/dovecot.ts';
import { eventually } from '../harness/eventually.ts';
import { recordedWorkflows, type RecordedWorkflow } from '../harness/histories.ts';
import { httpSink } from '../harness/http-sink.ts';
import { installation, type Installation } from '../harness/installation.ts';
import { smtpSink } from '../harness/smtp-sink.ts';

/** A run of the product in which every workflow comes to every state. */
export interface Story {
  readonly postroom: Installation;
  /** Which workflow shows which state. */
  readonly chosen: Readonly<Record<string, (workflow: RecordedWorkflow) => boolean>>;
  end(): Promise<void>;
}

const SECOND_OF_MINUTES = 1 / 60;
const SECOND_OF_HOURS = 1 / 3600;
const SECOND_OF_DAYS = 1 / 86_400;
const MAILBOXES = ['watching', 'paused', 'stopped'].map((name) => ({
  username: `${name}@example.test`,
  password: 'secret',
}));
const [WATCHING, PAUSED, STOPPED] = MAILBOXES as [Login, Login, Login];
type Login = (typeof MAILBOXES)[number];

export async function live(): Promise<Story> {
  const [server, sink, receiver, postroom] = await Promise.all([
    dovecot(MAILBOXES),
    smtpSink(),
    httpSink(),
    installation('recorded'),
  ]);
  const post = async (path: string, body: object = {}, method = 'POST') => {
    const answer = await postroom.call(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as { id: string }; // what is made or changed has one
  };
  const mail = (thread: string, more: { urgent?: boolean; answers?: boolean } = {}) => {
    const id = `${thread}.${Math.random().toString(36).slice(2)}@customer.example`;
    const lines = [
      `From: <${thread}@customer.example>`,
      `To: <${WATCHING.username}>`,
      `Subject: ${thread}`,
      ...(more.answers ? [`References: <${thread}@customer.example>`] : []),
      `Message-ID: <${more.answers ? id : `${thread}@customer.example`}>`,
      ...(more.urgent ? ['X-Priority: 1'] : []),
    ];
    server.deliver(WATCHING.username, `${lines.join('\r\n')}\r\n\r\nA word.\r\n`);
  };
  const tickets = async (subject: string): Promise<{ id: string; status: string }[]> => {
    const { body } = await postroom.call('GET', '/v1/tickets?limit=100');
    return (body.data as { id: string; status: string; subject: string }[]).filter(
      (ticket) => ticket.subject === subject,
    );
  };
  const ticket = async (subject: string): Promise<string> => {
    await eventually(async () => {
      if ((await tickets(subject)).length === 0)
        throw new Error(`There is no ticket "${subject}".`);
    }, 60_000);
    return (await tickets(subject)).at(-1)!.id;
  };
  const hasStatus = (subject: string, status: string) =>
    eventually(async () => {
      const found = (await tickets(subject)).at(-1)?.status;
      if (found !== status) throw new Error(`"${subject}" is ${found}, not ${status}.`);
    }, 60_000);
  const hasEnded = (workflowId: string) =>
    eventually(async () => {
      const { status } = await postroom.deps.client.workflow.getHandle(workflowId).describe();
      if (status.name === 'RUNNING') throw new Error(`${workflowId} has not ended.`);
    }, 60_000);

  await changeTenantSettings(postroom.deps.db, postroom.tenantId, {
    auto_close_hours: 2 * SECOND_OF_HOURS,
    reopen_window_days: 8 * SECOND_OF_DAYS,
  });
  await post('/v1/sla-policies', {
    name: 'Standard',
    targets: {
      normal: { first_response_minutes: 240, resolution_minutes: 2880 },
      high: { first_response_minutes: 3 * SECOND_OF_MINUTES },
      urgent: { first_response_minutes: 3 * SECOND_OF_MINUTES },
    },
    warn_at_percent: [50],
    escalations: [
      { level: 1, after_minutes: 2 * SECOND_OF_MINUTES, actions: [{ type: 'raise_priority' }] },
      { level: 2, after_minutes: 4 * SECOND_OF_MINUTES, actions: [{ type: 'emit_event' }] },
    ],
  });

  // Endpoints: one that takes all at once, one that wants a second try, one that never takes anything.
  const tried = new Set<string>();
  receiver.answerWith(({ path, headers }) => {
    const event = `${path} ${String(headers['webhook-id'])}`;
    if (path === '/never' || (path === '/second' && !tried.has(event))) {
      tried.add(event);
      return { status: 500 };
    }
    return {};
  });
  const endpoint = (path: string, max_retries: number) =>
    post('/v1/webhook-endpoints', {
      url: receiver.url + path,
      events: ['ticket.created'],
      max_retries,
    });
  const [atOnce, second, never] = [
    await endpoint('/at-once', 3),
    await endpoint('/second', 3),
    await endpoint('/never', 1),
  ];

  await postroom.startWorkers();
  const imap = { host: server.host, port: server.ports.imap, security: 'none' };
  const channel = (name: string, settings: object) =>
    post('/v1/channels', { provider: 'imap', name, settings: { ...imap, ...settings } });
  const watching = await channel('Watching', {
    ...WATCHING,
    smtp: { host: sink.host, port: sink.port, security: 'none' },
  });
  const paused = await channel('Paused', PAUSED);
  const stopped = await channel('Stopped', STOPPED);
  const refused = await channel('Refused', { username: 'refused@example.test', password: 'wrong' });
  const away = await channel('Away', {
    username: 'away@example.test',
    password: 'secret',
    port: await freePort(),
  });
  const isState = (id: string, state: string) =>
    eventually(async () => {
      const { body } = await postroom.call('GET', `/v1/channels/${id}/status`);
      if (body.state !== state) throw new Error(`Channel ${id} is ${body.state}, not ${state}.`);
    }, 60_000);
  for (const { id } of [watching, paused, stopped]) await isState(id, 'watching');
  await post(`/v1/channels/${paused.id}/pause`);
  await post(`/v1/channels/${stopped.id}`, { is_active: false }, 'PATCH');
  await post(`/v1/channels/${watching.id}/sync`);

  const patch = (id: string, body: object) => post(`/v1/tickets/${id}`, body, 'PATCH');
  for (const subject of ['open', 'paused', 'replied', 'refused', 'reopened', 'followed-up'])
    mail(subject);
  mail('escalated', { urgent: true });
  const open = await ticket('open');
  mail('open', { answers: true });
  const waiting = await ticket('paused');
  await patch(waiting, { status: 'pending' });
  const replied = await ticket('replied');
  await post(`/v1/tickets/${replied}/messages`, { text: 'An answer.' });
  await post(`/v1/tickets/${replied}/notes`, { text: 'A note.' });
  await patch(replied, { priority: 'low', tags: ['recorded'] });
  await sink.waitFor(1, 30_000);
  sink.failNext({ kind: 'reject', at: 'data', code: 554 });
  const undeliverable = await ticket('refused');
  await post(`/v1/tickets/${undeliverable}/messages`, { text: 'An answer.' });
  const reopened = await ticket('reopened');
  await patch(reopened, { status: 'resolved' });
  const closed = await ticket('followed-up');
  await patch(closed, { status: 'resolved' });
  await hasStatus('reopened', 'closed');
  mail('reopened', { answers: true });
  await hasStatus('reopened', 'open');
  const ticketWorkflow = (id: string) => `ticket/${postroom.tenantId}/${id}`;
  await hasEnded(ticketWorkflow(closed));
  mail('followed-up', { answers: true });
  await eventually(async () => {
    if ((await tickets('followed-up')).length < 2) throw new Error('No follow-up was opened.');
  }, 60_000);
  const followUp = (await tickets('followed-up')).find(({ id }) => id !== closed)!.id;
  await post(`/v1/tickets/${followUp}/notes`, { text: 'A note.' });
  const escalated = await ticket('escalated');
  await eventually(async () => {
    const { body } = await postroom.call('GET', `/v1/tickets/${escalated}`);
    if (body.sla.escalation_level < 2) throw new Error('It is not escalated to level 2.');
  }, 60_000);
  await isState(refused.id, 'needs_attention');
  await isState(away.id, 'backing_off');
  await postroom.deps.client.schedule.getHandle('drain').trigger();

  const mailbox = (id: string) => (workflow: RecordedWorkflow) =>
    workflow.workflowId === `mailbox/${postroom.tenantId}/${id}`;
  const one = (id: string) => (workflow: RecordedWorkflow) =>
    workflow.workflowId === ticketWorkflow(id) && (workflow.history.events?.length ?? 0) > 2;
  const delivery = (id: string) => (workflow: RecordedWorkflow) =>
    workflow.workflowId.endsWith(`/${id}`) && hasClosed(workflow);
  const chosen = {
    'mailbox-watching': mailbox(watching.id),
    'mailbox-paused': mailbox(paused.id),
    'mailbox-stopped': mailbox(stopped.id),
    'mailbox-needs-attention': mailbox(refused.id),
    'mailbox-backing-off': mailbox(away.id),
    'ticket-open': one(open),
    'ticket-paused': one(waiting),
    'ticket-replied': one(replied),
    'ticket-answer-refused': one(undeliverable),
    'ticket-reopened': one(reopened),
    'ticket-closed': one(closed),
    'ticket-follow-up': one(followUp),
    'ticket-escalated': one(escalated),
    'delivery-at-once': delivery(atOnce.id),
    'delivery-after-failures': delivery(second.id),
    'delivery-given-up': delivery(never.id),
    drain: (workflow: RecordedWorkflow) => workflow.type === 'drain' && hasClosed(workflow),
  };
  await eventually(async () => {
    const recorded = await recordedWorkflows(postroom.deps.client);
    const missing = Object.entries(chosen).filter(([, isIt]) => !recorded.some(isIt));
    if (missing.length > 0) throw new Error(`Not yet: ${missing.map(([name]) => name).join(', ')}`);
  }, 60_000);
  return {
    postroom,
    chosen,
    async end() {
      await postroom.close();
      await Promise.all([server.stop(), sink.close(), receiver.close()]);
    },
  };
}

function hasClosed({ history }: RecordedWorkflow): boolean {
  const last = history.events?.at(-1);
  return Boolean(
    last?.workflowExecutionCompletedEventAttributes ?? last?.workflowExecutionFailedEventAttributes,
  );
}
