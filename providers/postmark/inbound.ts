import { z } from 'zod';
import { contentId } from '../cloud-mail.ts';
import type { DoorReceipt } from '../contract.ts';
import { rebuildMail } from '../rebuilt-mail.ts';

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const Person = z.object({ Email: text, Name: text });
const people = z
  .array(Person)
  .nullish()
  .transform((value) => value ?? []);

/** https://postmarkapp.com/developer/webhooks/inbound-webhook */
export const Inbound = z.object({
  MessageID: z.string().min(1),
  From: text,
  FromFull: Person.nullish(),
  To: text,
  ToFull: people,
  Cc: text,
  CcFull: people,
  BccFull: people,
  OriginalRecipient: text,
  Subject: text,
  ReplyTo: text,
  Date: text,
  TextBody: text,
  HtmlBody: text,
  /** Only where "Include raw email content" is on. */
  RawEmail: text,
  Headers: z
    .array(z.object({ Name: z.string(), Value: text }))
    .nullish()
    .transform((value) => value ?? []),
  Attachments: z
    .array(z.object({ Name: text, Content: text, ContentType: text, ContentID: text }))
    .nullish()
    .transform((value) => value ?? []),
});
export type Inbound = z.infer<typeof Inbound>;

/** Addresses that the mail reached Postmark under. */
export function recipientsOf(mail: Inbound): string[] {
  if (mail.OriginalRecipient !== '') return [mail.OriginalRecipient];
  return [...mail.ToFull, ...mail.CcFull, ...mail.BccFull].map(({ Email }) => Email);
}

/** The mail as it came where Postmark hands it over, else put together from its pieces. */
export function sourceOf(mail: Inbound): DoorReceipt['sources'][number] {
  const source = mail.RawEmail === '' ? rebuilt(mail) : Buffer.from(mail.RawEmail);
  const returnPath = header(mail, 'return-path');
  return {
    source,
    providerMessageId: /^0+(-0+)*$/.test(mail.MessageID) ? contentId(source) : mail.MessageID,
    envelope: {
      from: returnPath === null ? null : returnPath.replace(/^<|>$/g, ''),
      to: recipientsOf(mail),
    },
    meta: { rebuilt: mail.RawEmail === '', spam_score: header(mail, 'x-spam-score') },
  };
}

function header({ Headers }: Inbound, name: string): string | null {
  return Headers.find(({ Name }) => Name.toLowerCase() === name)?.Value.trim() ?? null;
}

function rebuilt(mail: Inbound): Buffer {
  const own: [string, string][] = [
    ['From', mail.FromFull ? mailbox(mail.FromFull) : mail.From],
    ['To', mail.ToFull.length > 0 ? mail.ToFull.map(mailbox).join(', ') : mail.To],
    ['Cc', mail.CcFull.length > 0 ? mail.CcFull.map(mailbox).join(', ') : mail.Cc],
    ['Reply-To', mail.ReplyTo],
    ['Subject', mail.Subject],
    ['Date', mail.Date],
  ];
  return rebuildMail({
    headers: [
      ...mail.Headers.map(({ Name, Value }) => [Name, Value] as const),
      ...own.filter(([name, value]) => value !== '' && header(mail, name.toLowerCase()) === null),
    ],
    text: mail.TextBody === '' ? null : { content: Buffer.from(mail.TextBody), charset: 'utf-8' },
    html: mail.HtmlBody === '' ? null : { content: Buffer.from(mail.HtmlBody), charset: 'utf-8' },
    attachments: mail.Attachments.map(({ Name, Content, ContentType, ContentID }) => ({
      filename: Name === '' ? null : Name,
      contentType: ContentType,
      contentId: ContentID === '' ? null : ContentID.replace(/^cid:/i, ''),
      content: Buffer.from(Content, 'base64'),
    })),
  });
}

function mailbox({ Email, Name }: z.infer<typeof Person>): string {
  return Name === '' ? Email : `"${Name.replace(/["\\]/g, '\\$&')}" <${Email}>`;
}
