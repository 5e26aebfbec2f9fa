import { z } from 'zod';
import { isDeliverable, parseAddresses } from '../domain/mail/addresses.ts';
import { MailAddress } from '../domain/message.ts';
import { TicketStatus } from '../domain/ticket.ts';

/** Longest text of an answer; files go as attachments. */
const TEXT_CHARACTERS = 500_000;

const Recipient = z
  .union([z.string().max(500), MailAddress])
  .transform((given) =>
    typeof given === 'string' ? (parseAddresses(given)[0] ?? { name: '', address: given }) : given,
  )
  .refine(({ address }) => isDeliverable(address), 'wants a mail address, such as ada@example.com')
  .meta({
    override: { type: 'string', anyOf: undefined },
    description: 'An address, with or without a name: `Ada <ada@example.com>`.',
  });

const written = {
  text: z.string().max(TEXT_CHARACTERS).optional(),
  content: z.string().max(TEXT_CHARACTERS).optional().meta({ description: 'Taken as `text`.' }),
  html: z.string().max(TEXT_CHARACTERS).optional().meta({
    description: 'Sanitised; the plain text is made from it where `text` is left out.',
  }),
  attachments: z
    .array(z.string())
    .max(50)
    .optional()
    .meta({ description: 'Ids from POST /v1/attachments.' }),
  status: TicketStatus.optional().meta({ description: 'The ticket’s status afterwards.' }),
};

const NOTHING_WRITTEN = { error: 'Give "text" or "html".', path: ['text'] };
const saysSomething = (given: { text?: string; content?: string; html?: string }) =>
  [given.text, given.content, given.html].some((text) => text !== undefined && text.trim() !== '');

export const NewNote = z
  .strictObject(written)
  .refine(saysSomething, NOTHING_WRITTEN)
  .meta({ id: 'NewNote' });

export const NewReply = z
  .strictObject({
    ...written,
    to: z.array(Recipient).max(50).optional().meta({
      description: 'Default: whoever wrote the customer’s latest message.',
    }),
    cc: z.array(Recipient).max(50).optional(),
    template: z.string().optional().meta({ description: 'For channels that send templates only.' }),
    channel: z.string().optional().meta({ description: 'A provider to send by instead.' }),
    account_id: z.string().optional().meta({ description: 'A channel to send by instead.' }),
  })
  .refine(saysSomething, NOTHING_WRITTEN)
  .refine(({ template }) => template === undefined, {
    error: 'No channel that is set up sends templates; write the text.',
    path: ['template'],
  })
  .meta({ id: 'NewReply' });

/** What goes into the command's row. */
export function payloadOf(
  body: z.output<typeof NewReply> | z.output<typeof NewNote>,
): Record<string, unknown> {
  const { content, text, ...rest } = body;
  return { ...rest, text: text ?? content ?? null };
}
