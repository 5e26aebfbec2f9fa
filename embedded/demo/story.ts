import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { DomainEvent, EventType } from '../../domain/events.ts';
import { sendAsCustomer } from './mail.ts';
import { eventually, StepFailed } from './patience.ts';
import { Deliveries, type DemoContext, type Stage } from './stage.ts';

const CUSTOMER = { name: 'Ada', address: 'ada@example.com' };
const SUBJECT = 'The printer is on fire';
const LOG = Buffer.from('09:14 tray 2: paper jam\n09:15 fuser: 412 °C\n09:16 fuser: no answer\n');

const TicketView = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  status: z.string(),
  priority: z.string(),
  message_count: z.number(),
  sla: z.object({ policy_id: z.string(), escalation_level: z.number() }).nullable(),
  workflow_url: z.string().nullable(),
});
type TicketView = z.infer<typeof TicketView>;

const Messages = z.object({
  data: z.array(
    z.object({
      message_id: z.string().nullable(),
      attachments: z.array(z.object({ filename: z.string().nullable(), sha256: z.string() })),
    }),
  ),
});

/** A ticket from the first mail to its resolution; each step shows what happened and where to see it. */
export async function tell(context: DemoContext, stage: Stage): Promise<void> {
  const ticket = await firstMail(context, stage);
  const answer = await agentAnswers(context, stage, ticket);
  await customerReplies(context, stage, ticket, answer);
  await clocksRun(context, stage, ticket);
  await resolve(context, stage, ticket);
}

async function firstMail(context: DemoContext, stage: Stage): Promise<TicketView> {
  const { api, terminal, running } = context;
  const { channel, policyId } = stage;
  await terminal.step('A customer writes');
  const answered = await sendAsCustomer(running, {
    from: CUSTOMER,
    to: channel.address,
    subject: SUBJECT,
    text: 'It began as a paper jam. Please help!\n\nAda',
  });
  terminal.quote(`${CUSTOMER.name} → ${channel.address}: ${SUBJECT}`);
  terminal.say(`The mail door said: ${answered}`);
  terminal.link(channel.workflowUrl);

  await terminal.step('Her mail is a ticket');
  const created = await arrival(context, stage, 'ticket.created', null);
  const ticket = await api.get(`/v1/tickets/${created.ticket_id}`, TicketView);
  terminal.say(
    `Ticket ${ticket.number}, “${ticket.subject}”: ${ticket.status}, ${ticket.priority}.`,
  );
  terminal.link(ticket.workflow_url ?? '');
  await showWebhook(context, stage, created);
  if (ticket.sla?.policy_id !== policyId)
    throw new StepFailed(
      `The ticket goes by SLA policy ${ticket.sla?.policy_id ?? '(none)'} instead of the demo's ${policyId}: ` +
        'a policy of this tenant stands before it. Give that one a higher "position" and try again.',
    );
  return ticket;
}

async function agentAnswers(context: DemoContext, stage: Stage, { id, workflow_url }: TicketView) {
  const { api, terminal, signal } = context;
  await terminal.step('An agent answers');
  const text = 'Dear Ada,\n\nplease unplug it. What does its log say?\n\nBea, Support';
  await api.post(`/v1/tickets/${id}/messages`, { text }, z.unknown());
  const mail = await eventually(
    'the answer reached the customer',
    () => stage.customers.firstMail(),
    { signal },
  );
  const messageId = mail.messageId ?? '';
  terminal.quote(`${mail.from?.text ?? ''} → ${CUSTOMER.name}: ${mail.subject ?? ''}`);
  terminal.say(`It left by SMTP as ${messageId}`);
  terminal.say(`in reply to ${mail.inReplyTo ?? 'nothing'}`);
  terminal.link(workflow_url ?? '');
  await showWebhook(context, stage, await arrival(context, stage, 'message.sent', id));
  return { messageId, references: [mail.references ?? [], messageId].flat() };
}

async function customerReplies(
  context: DemoContext,
  stage: Stage,
  { id, number, workflow_url }: TicketView,
  answer: { messageId: string; references: string[] },
): Promise<void> {
  const { api, terminal, running, signal } = context;
  await terminal.step('The customer replies, with an attachment');
  const messageId = `${Date.now()}.demo@example.com`;
  await sendAsCustomer(running, {
    from: CUSTOMER,
    to: stage.channel.address,
    subject: `Re: ${SUBJECT}`,
    text: 'Here it is. Hurry!\n\nAda',
    messageId: `<${messageId}>`,
    inReplyTo: answer.messageId,
    references: answer.references,
    attachments: [{ filename: 'printer.log', content: LOG }],
  });
  const wanted = createHash('sha256').update(LOG).digest('hex');
  const attachment = await eventually(
    `the reply joined ticket ${number} with its attachment`,
    async () => {
      const { data } = await api.get(`/v1/tickets/${id}/messages`, Messages);
      const reply = data.find((message) => message.message_id === messageId);
      return reply?.attachments.find(({ sha256 }) => sha256 === wanted) ?? null;
    },
    { signal },
  );
  terminal.quote(`${CUSTOMER.name}: Re: ${SUBJECT} (${attachment.filename ?? 'attachment'})`);
  terminal.say(
    `It joined ticket ${number}; sha256 ${attachment.sha256.slice(0, 16)}… is what was sent.`,
  );
  terminal.link(workflow_url ?? '');
}

async function clocksRun(context: DemoContext, stage: Stage, { id }: TicketView): Promise<void> {
  const { api, terminal } = context;
  await terminal.step('Nobody answers: the SLA warns, is breached, and escalates');
  for (const type of ['sla.warning', 'sla.breached', 'ticket.escalated'] as const)
    await showWebhook(context, stage, await arrival(context, stage, type, id));
  const { priority, sla, workflow_url } = await api.get(`/v1/tickets/${id}`, TicketView);
  terminal.say(`The ticket is ${priority} now, at level ${sla?.escalation_level ?? 0}.`);
  terminal.link(workflow_url ?? '');
}

async function resolve(
  context: DemoContext,
  stage: Stage,
  { id, number, workflow_url }: TicketView,
): Promise<void> {
  const { api, terminal } = context;
  await terminal.step('The agent answers again and resolves the ticket');
  await api.post(`/v1/tickets/${id}/messages`, { text: 'A new one is on its way.' }, z.unknown());
  const { status } = await api.patch(`/v1/tickets/${id}`, { status: 'resolved' }, TicketView);
  await showWebhook(context, stage, await arrival(context, stage, 'ticket.resolved', id));
  terminal.say(`Ticket ${number} is ${status}.`);
  terminal.link(workflow_url ?? '');
  await arrivals(context, stage, 'message.sent', id, 2);
  await allSigned(context, stage);
}

async function allSigned({ terminal }: DemoContext, { receiver }: Stage): Promise<void> {
  await terminal.step('What the receiver saw');
  if (receiver.refused() > 0)
    throw new StepFailed(`${receiver.refused()} webhooks carried a signature that is not right.`);
  terminal.say(
    `${receiver.events.length} webhooks; both signatures of each, X-Webhook-Signature and Standard Webhooks', are right.`,
  );
}

function arrival(
  context: DemoContext,
  stage: Stage,
  type: EventType,
  ticketId: string | null,
): Promise<DomainEvent> {
  return arrivals(context, stage, type, ticketId, 1);
}

/** The count-th webhook of a type; of any ticket of the stage's channel where none is named. */
function arrivals(
  { signal }: DemoContext,
  { receiver, channel }: Stage,
  type: EventType,
  ticketId: string | null,
  count: number,
): Promise<DomainEvent> {
  const isOurs = (event: DomainEvent) =>
    ticketId === null ? accountOf(event) === channel.id : event.ticket_id === ticketId;
  return eventually(
    `a webhook ${type} arrived`,
    () =>
      receiver.events.filter((event) => event.type === type && isOurs(event))[count - 1] ?? null,
    { signal },
  );
}

const WithTicket = z.object({ ticket: z.object({ account_id: z.string() }) });

function accountOf({ data }: DomainEvent): string | null {
  return WithTicket.safeParse(data).data?.ticket.account_id ?? null;
}

async function showWebhook(
  { api, terminal, signal }: DemoContext,
  { endpointId }: Stage,
  event: DomainEvent,
): Promise<void> {
  const url = await eventually(
    `the delivery of ${event.id} is listed`,
    async () => {
      const path = `/v1/webhook-endpoints/${endpointId}/deliveries?type=${event.type}&limit=100`;
      const { data } = await api.get(path, Deliveries);
      return data.find((delivery) => delivery.event_id === event.id)?.workflow_url ?? null;
    },
    { signal },
  );
  terminal.quote(
    `webhook ${event.type}, no. ${event.sequence ?? 0} of the ticket, signatures right`,
  );
  terminal.link(url);
}
