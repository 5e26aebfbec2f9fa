import { createHash } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';
import { z } from 'zod';
import { isDeliverable, parseAddresses } from './addresses.ts';
import { parseMailDate } from './headers.ts';

// Mail that a platform has parsed already, in the names that such platforms use, made into a mail again: one parser
// reads all mail, and what is stored can be read anew.

const BODY_CHARACTERS = 25 * 1024 * 1024;

/** Field names of several platforms: the first that is there counts. */
function named(object: unknown, aliases: Readonly<Record<string, readonly string[]>>): unknown {
  if (object === null || typeof object !== 'object' || Array.isArray(object)) return object;
  const given = object as Record<string, unknown>; // a plain object, by the line above
  const moved = Object.entries(aliases).flatMap(([field, names]) => {
    const found = [field, ...names].find((name) => given[name] != null);
    return found === undefined ? [] : [[field, given[found]] as const];
  });
  return Object.fromEntries(moved);
}

const Address = z
  .union([
    z.string().trim().min(1).max(2000),
    z.preprocess(
      (given) => named(given, { address: ['email'], name: [] }),
      z.object({
        address: z.string().trim().min(1).max(320),
        name: z.string().max(500).default(''),
      }),
    ),
  ])
  .meta({ description: '`Ada <ada@example.com>`, or {email, name}.' });

const Addresses = z.union([Address.transform((one) => [one]), z.array(Address).max(1000)]);
const Ids = z.union([z.string().max(100_000), z.array(z.string().max(1000)).max(1000)]);

const Headers = z
  .union([
    z.record(z.string(), z.union([z.string(), z.array(z.string())])),
    z
      .array(
        z.preprocess(
          (given) => named(given, { name: ['key'], value: [] }),
          z.object({ name: z.string(), value: z.string() }),
        ),
      )
      .max(1000),
  ])
  .transform((given) =>
    Array.isArray(given)
      ? given.map(({ name, value }) => ({ key: name, value }))
      : Object.entries(given).flatMap(([key, values]) =>
          [values].flat().map((value) => ({ key, value })),
        ),
  )
  .refine((lines) => lines.every(({ key }) => /^[\x21-\x39\x3b-\x7e]{1,200}$/.test(key)), {
    error: 'has a header whose name can’t be one',
  })
  .meta({ description: 'By name, or as a list of {name, value}.' });

const ATTACHMENT_NAMES = {
  filename: ['name', 'file_name'],
  content_type: ['contentType', 'type', 'mime_type'],
  content: ['data', 'content_base64', 'base64'],
  content_id: ['contentId', 'cid'],
  inline: [],
} as const;

const Attachment = z.preprocess(
  (given) => named(given, ATTACHMENT_NAMES),
  z.object({
    filename: z.string().max(1000).default('attachment'),
    content_type: z
      .string()
      .max(300)
      .regex(/^[\w.+-]+\/[\w.+-]+/, 'wants a media type, as application/pdf')
      .default('application/octet-stream'),
    content: z
      .string()
      .regex(/^[\w+/\s-]*={0,2}\s*$/, 'wants base64')
      .default('')
      .meta({ description: 'The bytes, in base64.' }),
    content_id: z.string().max(500).optional(),
    inline: z.boolean().optional(),
  }),
);

const FIELD_NAMES = {
  from: ['sender'],
  to: ['recipients', 'recipient'],
  cc: [],
  reply_to: ['replyTo'],
  subject: [],
  text: ['body', 'plain', 'content', 'body_text', 'body_plain'],
  html: ['body_html', 'html_body'],
  headers: [],
  message_id: ['messageId', 'message-id'],
  in_reply_to: ['inReplyTo'],
  references: [],
  attachments: [],
  date: ['timestamp', 'sent_at', 'received_at'],
} as const;

/** A parsed mail as platforms push it; other fields are passed over. */
export const PushedMail = z
  .preprocess(
    (given) => named(given, FIELD_NAMES),
    z.object({
      from: Address,
      to: Addresses.default([]),
      cc: Addresses.default([]),
      reply_to: Addresses.default([]),
      subject: z.string().max(10_000).default(''),
      text: z.string().max(BODY_CHARACTERS).optional(),
      html: z.string().max(BODY_CHARACTERS).optional(),
      headers: Headers.default([]),
      message_id: z.string().max(2000).optional(),
      in_reply_to: Ids.optional(),
      references: Ids.optional(),
      attachments: z.array(Attachment).max(500).default([]),
      date: z
        .union([z.string().max(200), z.number()])
        .optional()
        .meta({ description: 'RFC 3339, RFC 5322, or seconds since 1970.' }),
    }),
  )
  .superRefine(({ from, date }, context) => {
    if (senderOf(from) === null)
      context.addIssue({ code: 'custom', path: ['from'], message: 'wants a mail address' });
    if (date !== undefined && readDate(date) === null)
      context.addIssue({ code: 'custom', path: ['date'], message: 'is no date' });
  })
  .meta({ id: 'PushedMail' });
export type PushedMail = z.output<typeof PushedMail>;

/** The sender's address, or null where none is readable. */
export function senderOf(from: PushedMail['from']): string | null {
  const entry =
    typeof from === 'string' ? parseAddresses(Buffer.from(from).toString('latin1'))[0] : from;
  return entry && isDeliverable(entry.address) ? entry.address : null;
}

/** Its Message-ID without brackets, from the field or the headers; null where it has none. */
export function messageIdOf(mail: PushedMail): string | null {
  const raw = mail.message_id ?? headerOf(mail, 'message-id') ?? '';
  return raw.replaceAll(/[<>\s]/g, '') || null;
}

/** Headers that the fields stand for, or that the bytes decide. */
const OWN_HEADERS = new Set(
  [
    'from',
    'to',
    'cc',
    'reply-to',
    'subject',
    'date',
    'message-id',
    'in-reply-to',
    'references',
  ].concat(['mime-version', 'content-type', 'content-transfer-encoding', 'content-disposition']),
);

/** The mail as RFC 5322 has it; the same input always gives the same bytes. */
export async function asRawMail(mail: PushedMail): Promise<Buffer> {
  const messageId = messageIdOf(mail);
  const date = readDate(mail.date ?? headerOf(mail, 'date') ?? '');
  const whole = await new MailComposer({
    from: mail.from,
    to: mail.to,
    cc: mail.cc,
    replyTo: mail.reply_to,
    subject: mail.subject,
    text: mail.text ?? (mail.html === undefined ? '' : undefined),
    html: mail.html,
    ...(messageId === null ? {} : { messageId: `<${messageId}>` }),
    ...(date === null ? {} : { date }),
    inReplyTo: listed(mail.in_reply_to) || headerOf(mail, 'in-reply-to') || undefined,
    references: listed(mail.references) || headerOf(mail, 'references') || undefined,
    headers: mail.headers.filter(({ key }) => !OWN_HEADERS.has(key.toLowerCase())),
    attachments: mail.attachments.map((one) => ({
      filename: one.filename,
      contentType: one.content_type,
      content: Buffer.from(one.content, 'base64'),
      ...(one.content_id === undefined ? {} : { cid: one.content_id.replaceAll(/[<>\s]/g, '') }),
      contentDisposition: one.inline ? 'inline' : 'attachment',
    })),
    baseBoundary: createHash('sha256').update(JSON.stringify(mail)).digest('hex').slice(0, 24),
    newline: '\r\n',
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build();
  return withoutInvented(whole, messageId === null, date === null);
}

/** Without the Message-ID and Date that the composer makes up where the mail had none. */
function withoutInvented(whole: Buffer, noId: boolean, noDate: boolean): Buffer {
  const end = whole.indexOf('\r\n\r\n');
  const kept = whole
    .subarray(0, end)
    .toString('latin1')
    .split(/\r\n(?![ \t])/)
    .filter((line) => !(noId && /^message-id:/i.test(line)) && !(noDate && /^date:/i.test(line)));
  return Buffer.concat([Buffer.from(kept.join('\r\n'), 'latin1'), whole.subarray(end)]);
}

function headerOf({ headers }: Pick<PushedMail, 'headers'>, name: string): string | undefined {
  return headers.find(({ key }) => key.toLowerCase() === name)?.value;
}

function listed(ids: string | string[] | undefined): string {
  return [ids ?? []]
    .flat()
    .flatMap((text) => text.split(/[\s,]+/))
    .map((id) => id.replaceAll(/[<>]/g, ''))
    .filter((id) => id !== '')
    .map((id) => `<${id}>`)
    .join(' ');
}

function readDate(date: string | number): Date | null {
  if (typeof date === 'number') return validDate(new Date(date < 1e11 ? date * 1000 : date));
  if (/^\d{9,11}$/.test(date)) return validDate(new Date(Number(date) * 1000));
  return parseMailDate(date) ?? validDate(new Date(date));
}

function validDate(date: Date): Date | null {
  return Number.isNaN(date.getTime()) ? null : date;
}
