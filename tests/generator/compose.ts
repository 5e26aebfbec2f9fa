import { createHash } from 'node:crypto';
import type { MailAddress, MessageKind } from '../../domain/message.ts';
import { headerText, mailbox } from './headers.ts';
import type { Language } from './languages.ts';
import {
  attachment,
  mail,
  multipart,
  textPart,
  type AttachmentTruth,
  type GeneratedAttachment,
  type Part,
} from './mime.ts';
import type { Person } from './people.ts';
import type { Random } from './random.ts';

/** What a mail says, before it is put into bytes. */
export interface Letter {
  /** Letters of one conversation share it; null for mail that is kept without a ticket. */
  readonly thread: string | null;
  readonly kind: MessageKind;
  readonly language: Language;
  readonly from: Person;
  readonly to: readonly Person[];
  readonly cc: readonly Person[];
  readonly subject: string;
  /** What it adds. */
  readonly text: string;
  /** The text that it answers, quoted below its own. */
  readonly quoted: { readonly author: MailAddress; readonly text: string } | null;
  readonly messageId: string | null;
  readonly inReplyTo: string | null;
  /** Oldest first. */
  readonly references: readonly string[];
  readonly writtenAt: Date;
  readonly attachmentSizes: readonly number[];
  /** Further header lines. */
  readonly headers: readonly string[];
  /** A finished body, for machines' reports. */
  readonly report?: Part;
}

/** What must be found in the product once the mail has been taken in. */
export interface MailTruth extends Pick<
  Letter,
  'thread' | 'kind' | 'subject' | 'text' | 'messageId'
> {
  readonly from: MailAddress;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly charset: string;
  /** Null where it is not fixed: the parts of a machine's report. */
  readonly attachments: readonly AttachmentTruth[] | null;
  /** Hex SHA-256 of the mail with CRLF line ends, as any mail server gives it. */
  readonly sourceSha256: string;
}

export interface ComposedMail {
  readonly raw: Buffer;
  readonly truth: MailTruth;
}

/** Puts a letter into the bytes of some mail program. */
export function compose(letter: Letter, random: Random): ComposedMail {
  const files = letter.attachmentSizes.map((size, position) =>
    newAttachment(letter, size, position, random),
  );
  const content = letter.report ?? body(letter, files, random);
  const whole = mail(headersOf(letter, random), content);
  const raw = random.chance(0.05) ? withBareLineFeeds(whole) : whole;
  const { thread, kind, subject, text, messageId } = letter;
  return {
    raw,
    truth: {
      thread,
      kind,
      subject,
      text,
      messageId,
      from: address(letter.from),
      to: letter.to.map(address),
      cc: letter.cc.map(address),
      charset: letter.language.charset,
      attachments: letter.report ? null : files.map((file) => file.truth),
      sourceSha256: createHash('sha256').update(whole).digest('hex'),
    },
  };
}

function address({ name, address }: Person): MailAddress {
  return { name, address };
}

function headersOf(letter: Letter, random: Random): string[] {
  const { language } = letter;
  const people = (list: readonly Person[]) =>
    list.map((person) => mailbox(person, random)).join(',\r\n ');
  const ids = (list: readonly string[]) => list.map((id) => `<${id}>`).join('\r\n ');
  const lines = [
    `From: ${mailbox(letter.from, random)}`,
    `To: ${people(letter.to)}`,
    ...(letter.cc.length > 0 ? [`Cc: ${people(letter.cc)}`] : []),
    `Subject: ${headerText(letter.subject, language, random)}`,
    `Date: ${letter.writtenAt.toUTCString().replace('GMT', '+0000')}`,
    ...(letter.messageId === null ? [] : [`Message-ID: <${letter.messageId}>`]),
    ...(letter.inReplyTo === null ? [] : [`In-Reply-To: <${letter.inReplyTo}>`]),
    ...(letter.references.length > 0 ? [`References: ${ids(letter.references)}`] : []),
    ...letter.headers,
  ];
  return random.chance(0.3) ? random.shuffled(lines) : lines;
}

function newAttachment(
  { language }: Letter,
  size: number,
  position: number,
  random: Random,
): GeneratedAttachment {
  const shown = random.chance(0.25);
  const filename = `${language.file} ${position + 1}-${random.int(1, 9999)}.${shown ? 'png' : 'pdf'}`;
  return attachment({ filename, size, shown }, language, random);
}

/** Pictures stand beside the HTML that shows them, other files beside the whole. */
function body(letter: Letter, files: readonly GeneratedAttachment[], random: Random): Part {
  const { language } = letter;
  const pictures = files.filter((file) => file.contentId !== null);
  const others = files.filter((file) => file.contentId === null);
  const html = () => textPart('html', htmlOf(letter, pictures), language, random);
  const plain = () => textPart('plain', plainOf(letter), language, random);
  const related = (inner: Part) =>
    pictures.length === 0
      ? inner
      : multipart('related', [inner, ...pictures.map((file) => file.part)], random);

  const form =
    pictures.length > 0 ? 'alternative' : random.pick(['plain', 'plain', 'alternative', 'html']);
  let content: Part;
  if (form === 'plain') content = plain();
  else if (form === 'html') content = html();
  else content = multipart('alternative', [plain(), related(html())], random);
  if (others.length === 0) return content;
  return multipart('mixed', [content, ...others.map((file) => file.part)], random);
}

function plainOf({ text, quoted }: Letter): string {
  if (quoted === null) return text;
  const lines = quoted.text.split('\n').map((line) => `> ${line}`);
  return `${text}\n\n${introduction(quoted.author)}\n${lines.join('\n')}`;
}

function htmlOf({ text, quoted }: Letter, pictures: readonly GeneratedAttachment[]): string {
  const shown = pictures.map((file) => `<p><img src="cid:${file.contentId}" alt=""></p>`);
  const quote =
    quoted === null
      ? ''
      : `<div>${escaped(introduction(quoted.author))}</div><blockquote>${paragraphs(quoted.text)}</blockquote>`;
  return `<html><body>${paragraphs(text)}${shown.join('')}${quote}</body></html>`;
}

function introduction({ address }: MailAddress): string {
  return `On Mon, 5 Jan 2026 at 09:14, <${address}> wrote:`;
}

function paragraphs(text: string): string {
  return text
    .split('\n\n')
    .map((paragraph) => `<p>${escaped(paragraph)}</p>`)
    .join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** As some programs hand it over; servers put it right. */
function withBareLineFeeds(raw: Buffer): Buffer {
  return Buffer.from(raw.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}
