import { createHash } from 'node:crypto';
import { z } from 'zod';
import { eventually, StepFailed } from '../patience.ts';
import type { DemoContext } from '../stage.ts';
import { arrival, inboundIds, sendAndWatch, WITHIN, type OpenLine, type Talk } from './messages.ts';
import { picture } from './picture.ts';

export const TicketView = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  status: z.string(),
  workflow_url: z.string().nullable(),
  conversation: z
    .object({
      address: z.string(),
      window_ends_at: z.string().nullable(),
      window_open: z.boolean(),
    })
    .nullish(),
});

export async function textIn(context: DemoContext, line: OpenLine): Promise<string> {
  const { api, terminal } = context;
  await terminal.step(`${line.title}: a customer writes`);
  const text = 'Hello! Where is my parcel? 📦';
  terminal.quote(`Ada (${line.customer}): ${text}`);
  const message = await arrival(context, line, line.writes(text));
  const ticket = await api.get(`/v1/tickets/${message.ticket_id}`, TicketView);
  terminal.say(`Ticket ${ticket.number}, “${ticket.subject}”: ${ticket.status}.`);
  sayWindow(context, ticket.conversation);
  terminal.link(ticket.workflow_url ?? '');
  return ticket.id;
}

export async function pictureIn(context: DemoContext, { line, ticketId }: Talk): Promise<void> {
  const { terminal, signal } = context;
  await terminal.step(`${line.title}: the customer sends a picture`);
  const bytes = picture();
  const wanted = createHash('sha256').update(bytes).digest('hex');
  const caption = 'This is how the last one came.';
  const id = line.sendsPicture({ kind: 'image', bytes, contentType: 'image/png', caption });
  terminal.quote(`Ada: ${caption} [picture, ${bytes.length} bytes]`);
  const message = await eventually(
    'the picture came with its message',
    async () => {
      const found = await arrival(context, line, id);
      return found.attachments.length > 0 ? found : null;
    },
    { signal, ...WITHIN },
  );
  const [file] = message.attachments;
  if (file?.sha256 !== wanted)
    throw new StepFailed(`The picture’s SHA-256 is ${file?.sha256} and not ${wanted}.`);
  if (message.ticket_id !== ticketId)
    throw new StepFailed('The picture began a ticket of its own.');
  terminal.say(`It joined the ticket as ${file.filename}; sha256 ${wanted.slice(0, 16)}… as sent.`);
}

export async function answerOut(context: DemoContext, talk: Talk): Promise<void> {
  const { terminal, signal } = context;
  const { line } = talk;
  await terminal.step(`${line.title}: an agent answers`);
  const text = 'Hello Ada, a new one is on its way. Bea, Support';
  const before = await inboundIds(context, line);
  terminal.quote(`Bea: ${text}`);
  await sendAndWatch(context, talk, { text });
  await eventually(
    'the customer is shown that it was read',
    () => before.some((id) => line.isMarkedRead(id)) || null,
    { signal, ...WITHIN },
  );
  terminal.say('And Ada sees that what she wrote was read.');
}

export async function afterWindow(context: DemoContext, talk: Talk): Promise<void> {
  const { api, terminal } = context;
  const { line, ticketId } = talk;
  await terminal.step(`${line.title}: after the window`);
  const sentBefore = line.sent().length;
  const text = 'We have found your parcel.';
  const { status, detail } = await api.refused(`/v1/tickets/${ticketId}/messages`, { text });
  if (status !== 422) throw new StepFailed(`Free text was answered ${status}, and not 422.`);
  if (line.sent().length !== sentBefore) throw new StepFailed('Free text was sent all the same.');
  terminal.quote(`Bea: ${text}`);
  terminal.say(`Refused (${status}): ${detail}`);
  if ('template' in line.afterwards) {
    const path = `/v1/channels/${line.channelId}/templates:sync`;
    const { approved } = await api.post(path, {}, z.object({ approved: z.number() }));
    terminal.say(`The account has ${approved} approved templates.`);
  }
  terminal.say(`With ${line.afterwardsInWords}:`);
  await sendAndWatch(context, talk, line.afterwards);
}

/** Until when free text may be sent, where the API shows it. */
export function sayWindow(
  { terminal }: DemoContext,
  conversation: z.infer<typeof TicketView>['conversation'],
): void {
  if (!conversation?.window_ends_at) return;
  const until = conversation.window_ends_at.slice(11, 19);
  terminal.say(`Free text may be sent to ${conversation.address} until ${until} UTC.`);
}
