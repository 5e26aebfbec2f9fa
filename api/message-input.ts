import { z } from 'zod';
import { isDeliverable, parseAddresses } from '../domain/mail/addresses.ts';
import { MailAddress } from '../domain/message.ts';
import { TicketStatus } from '../domain/ticket.ts';
import { ProviderName } from './channels/name.ts';

/** Longest text of an answer; files go as attachments. */
const TEXT_CHARACTERS = 500_000;

/** E.164 with its plus, or digits alone. */
const PHONE_OR_SCOPED_ID = /^\+?\d{5,30}$/;

const Recipient = z
  .union([z.string().max(500), MailAddress])
  .transform((given) =>
    typeof given === 'string' ? (parseAddresses(given)[0] ?? { name: '', address: given }) : given,
  )
  .refine(
    ({ address }) => isDeliverable(address) || PHONE_OR_SCOPED_ID.test(address),
    'wants a mail address, such as ada@example.com, or on a chat the number or id of a conversation',
  )
  .meta({
    override: { type: 'string', anyOf: undefined },
    description:
      'An address, with or without a name: `Ada <ada@example.com>`; on a chat a number or page-scoped id.',
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

const Id = z.string().trim().min(1).max(256);
const Title = z.string().trim().min(1).max(100);
const Choice = z.strictObject({ id: Id, title: Title });

const InteractiveInput = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('buttons'), buttons: z.array(Choice).min(1).max(20) }),
    z.strictObject({
      type: z.literal('list'),
      button: Title.meta({ description: 'What opens the list.' }),
      sections: z
        .array(
          z.strictObject({
            title: Title,
            rows: z
              .array(
                z.strictObject({
                  id: Id,
                  title: Title,
                  description: z.string().max(300).optional(),
                }),
              )
              .min(1)
              .max(100),
          }),
        )
        .min(1)
        .max(20),
    }),
    z.strictObject({ type: z.literal('quick_replies'), replies: z.array(Choice).min(1).max(20) }),
  ])
  .meta({ id: 'Interactive', description: 'Choices beside the text; see the channel’s limits.' });

const TemplateInput = z
  .union([
    z.string().trim().min(1).max(512),
    z.strictObject({
      name: z.string().trim().min(1).max(512),
      language: z
        .string()
        .trim()
        .min(1)
        .max(20)
        .optional()
        .meta({
          description: 'May be left out where the template is there in one language.',
          examples: ['en_US'],
        }),
      values: z
        .record(z.string().max(100), z.string().max(2000))
        .optional()
        .meta({
          description:
            'By place: `body.1`, `header.1` (of a file: an attachment’s id), `button.0.1`; a key without a dot is a place of the body.',
          examples: [{ 'body.1': 'Ada', 'body.2': '42' }],
        }),
    }),
  ])
  .meta({ description: 'On a chat: a template of the account’s, or its name; it goes alone.' });

const NOTHING_WRITTEN = { error: 'Give "text" or "html".', path: ['text'] };
const saysSomething = (given: { text?: string; content?: string; html?: string }) =>
  [given.text, given.content, given.html].some((text) => text !== undefined && text.trim() !== '');

export const NewNote = z
  .strictObject(written)
  .refine(saysSomething, NOTHING_WRITTEN)
  .meta({ id: 'NewNote' });

export const replyFields = {
  ...written,
  to: z.array(Recipient).max(50).optional().meta({
    description: 'Default: whoever wrote the customer’s latest message.',
  }),
  cc: z.array(Recipient).max(50).optional(),
  in_reply_to: z.string().optional().meta({
    description:
      'A message on the ticket; a chat quotes it. Default: the customer’s latest, not quoted.',
  }),
  template: TemplateInput.optional(),
  interactive: InteractiveInput.optional(),
  tag: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .optional()
    .meta({
      description: 'Under which the vendor lets it be sent after the window.',
      examples: ['HUMAN_AGENT'],
    }),
  channel: ProviderName.optional().meta({
    description:
      'A provider to send by instead: where the customer’s window is open, else where they wrote last.',
  }),
  account_id: z.string().optional().meta({ description: 'A channel to send by instead.' }),
};

export const CARRIES_NOTHING = {
  error: 'Give "text" or "html"; on a chat "attachments" or a "template" will do.',
  path: ['text'],
};

export const NewReply = z
  .strictObject(replyFields)
  .refine(carriesSomething, CARRIES_NOTHING)
  .meta({ id: 'NewReply' });

/** Whether there is anything to send; which channel takes what is checked where it is queued. */
export function carriesSomething(
  given: Parameters<typeof saysSomething>[0] & { template?: unknown; attachments?: string[] },
): boolean {
  return (
    saysSomething(given) || given.template !== undefined || (given.attachments ?? []).length > 0
  );
}

/** What goes into the command's row. */
export function payloadOf(
  body: { readonly content?: string; readonly text?: string } & Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { content, text, ...rest } = body;
  return { ...rest, text: text ?? content ?? null };
}
