import { simpleParser, type ParsedMail } from 'mailparser';
import { z } from 'zod';
import type { Api } from '../api.ts';
import type { CleanUp } from '../clean-up.ts';
import { eventually, StepFailed } from '../patience.ts';
import type { DemoDoor, OpenDoor } from './door.ts';
import { bounceOf, smallMail, wholeMail, type DemoMail } from './mails.ts';

/** What is looked at, one column each; every word of a cell was seen. */
export const COLUMNS = [
  'mail in',
  '10 MiB attachment',
  'duplicate',
  'tampered calls',
  'answer out',
  'bounce',
] as const;
export type Column = (typeof COLUMNS)[number];

export interface DoorContext {
  readonly api: Api;
  readonly cleanUp: CleanUp;
  readonly signal: AbortSignal;
  /** A cell is filled. */
  readonly saw: (column: Column, what: string) => void;
}

const Made = z.object({ id: z.string(), ingress_url: z.string().nullable() });
const Status = z.object({
  state: z.string(),
  detail: z.string(),
  last_error: z.object({ detail: z.string() }).nullable(),
});
const Message = z.object({
  id: z.string(),
  message_id: z.string().nullable(),
  direction: z.string(),
  status: z.string(),
  subject: z.string().nullable(),
  content: z.string().nullable(),
  ticket_id: z.string().nullable(),
  attachments: z.array(
    z.object({ filename: z.string().nullable(), size: z.number(), sha256: z.string() }),
  ),
});
type Message = z.infer<typeof Message>;
const Messages = z.object({ data: z.array(Message) });

const WITHIN = { withinMs: 90_000 };

/** One door, from a mail in to the bounce of its answer. @throws what was not as it should be */
export async function playDoor(door: DemoDoor, context: DoorContext): Promise<void> {
  const outside = await door.open();
  context.cleanUp.add(`The outside of ${door.title}`, () => outside.close());
  const channelId = await makeChannel(door, outside, context);
  const mail = await wholeMail(door.address);
  const first = await mailIn(channelId, outside, mail, context);
  await duplicate(door, channelId, outside, mail, context);
  await tampered(channelId, outside, context);
  const { answer, ours } = await answerOut(outside, mail, first, context);
  await bounce(door, outside, answer, ours, context);
  const [violation] = outside.violations();
  if (violation !== undefined) throw new StepFailed(`Not as the vendor describes it: ${violation}`);
}

async function makeChannel(
  { title, provider, address }: DemoDoor,
  outside: OpenDoor,
  { api, cleanUp, signal }: DoorContext,
): Promise<string> {
  const { settings } = outside;
  const body = { provider, name: `Demo: ${title}`, address, settings };
  const { id, ingress_url: ingressUrl } = await api.post('/v1/channels', body, Made);
  cleanUp.add(`Channel ${id}`, () => api.delete(`/v1/channels/${id}`));
  await outside.connect(ingressUrl ?? '');
  await eventually(
    `the channel watches`,
    async () => {
      const { state, detail, last_error } = await api.get(`/v1/channels/${id}/status`, Status);
      if (state === 'needs_attention')
        throw new StepFailed(`The channel needs attention: ${last_error?.detail ?? detail}`);
      return state === 'watching' ? true : null;
    },
    { signal, ...WITHIN },
  );
  return id;
}

async function mailIn(
  channelId: string,
  outside: OpenDoor,
  mail: DemoMail,
  { api, signal, saw }: DoorContext,
): Promise<Message> {
  const began = performance.now();
  await outside.deliver(mail.raw);
  const message = await eventually(
    'the mail became a message',
    async () => (await received(api, channelId, mail.messageId))[0] ?? null,
    { signal, ...WITHIN },
  );
  if (message.subject !== mail.subject) throw wrong('subject', message.subject, mail.subject);
  const text = message.content?.replace(/\r\n/g, '\n').trim();
  if (text !== mail.text) throw wrong('text', text, mail.text);
  saw('mail in', `${((performance.now() - began) / 1000).toFixed(1)} s`);
  const [attachment] = message.attachments;
  if (attachment?.sha256 !== mail.sha256)
    throw wrong('attachment’s SHA-256', attachment?.sha256, mail.sha256);
  if (attachment.filename !== mail.filename)
    throw wrong('attachment’s name', attachment.filename, mail.filename);
  saw('10 MiB attachment', `sha256 ${attachment.sha256.slice(0, 8)}`);
  return message;
}

async function duplicate(
  { address }: DemoDoor,
  channelId: string,
  outside: OpenDoor,
  { raw, messageId }: DemoMail,
  { api, signal, saw }: DoorContext,
): Promise<void> {
  await outside.repeat(raw);
  const after = await smallMail(address);
  await outside.deliver(after.raw);
  await eventually(
    'the mail after the duplicate became a message',
    async () => (await received(api, channelId, after.messageId))[0] ?? null,
    { signal, ...WITHIN },
  );
  const copies = await received(api, channelId, messageId);
  if (copies.length !== 1) throw wrong('number of messages', copies.length, 1);
  saw('duplicate', '1 message');
}

async function tampered(
  channelId: string,
  outside: OpenDoor,
  { api, saw }: DoorContext,
): Promise<void> {
  const before = await all(api, channelId);
  const answers = await outside.tamper();
  if (answers === null) return saw('tampered calls', 'nothing calls us');
  for (const [what, status] of Object.entries(answers))
    if (status < 400 || status >= 500) throw wrong(`answer to ${what}`, status, '401 or 403');
  const after = await all(api, channelId);
  if (after.length !== before.length)
    throw wrong('messages after tampered calls', after.length, before.length);
  const statuses = [...new Set(Object.values(answers))].join(', ');
  saw('tampered calls', `${Object.keys(answers).length} refused (${statuses})`);
}

async function answerOut(
  outside: OpenDoor,
  { messageId }: DemoMail,
  first: Message,
  { api, signal, saw }: DoorContext,
): Promise<{ answer: ParsedMail; ours: string }> {
  const text = 'Schöne Grüße, Bea';
  const path = `/v1/tickets/${first.ticket_id}/messages`;
  const { id } = await api.post(path, { text }, z.object({ id: z.string() }));
  const raw = await eventually('the answer left', () => outside.sent().at(-1) ?? null, {
    signal,
    ...WITHIN,
  });
  const answer = await simpleParser(raw);
  const references = [answer.references ?? []].flat();
  if (answer.inReplyTo !== `<${messageId}>`)
    throw wrong('In-Reply-To', answer.inReplyTo, `<${messageId}>`);
  if (!references.includes(`<${messageId}>`)) throw wrong('References', references, messageId);
  if (!answer.text?.includes(text)) throw wrong('text of the answer', answer.text, text);
  await eventually(
    'the answer counts as sent',
    async () => {
      const { status } = await api.get(`/v1/messages/${id}`, Message);
      return ['accepted', 'sent', 'delivered'].includes(status) ? true : null;
    },
    { signal, ...WITHIN },
  );
  saw('answer out', 'In-Reply-To, References');
  return { answer, ours: id };
}

async function bounce(
  { address }: DemoDoor,
  outside: OpenDoor,
  answer: ParsedMail,
  ours: string,
  { api, signal, saw }: DoorContext,
): Promise<void> {
  const sentAs = (answer.messageId ?? '').replace(/^<|>$/g, '');
  if (outside.reportBounce) await outside.reportBounce();
  else await outside.deliver(bounceOf(sentAs, address));
  await eventually(
    'the bounce was set upon the answer',
    async () =>
      (await api.get(`/v1/messages/${ours}`, Message)).status === 'bounced' ? true : null,
    { signal, ...WITHIN },
  );
  saw('bounce', outside.reportBounce ? 'by its report' : 'by mail');
}

async function all(api: Api, channelId: string): Promise<Message[]> {
  const { data } = await api.get(`/v1/messages?account_id=${channelId}&limit=100`, Messages);
  return data;
}

async function received(api: Api, channelId: string, messageId: string): Promise<Message[]> {
  const messages = await all(api, channelId);
  return messages.filter(
    (message) => message.direction === 'inbound' && message.message_id === messageId,
  );
}

function wrong(what: string, got: unknown, wanted: unknown): StepFailed {
  return new StepFailed(
    `The ${what} is ${JSON.stringify(got) ?? 'missing'} and not ${JSON.stringify(wanted)}.`,
  );
}
