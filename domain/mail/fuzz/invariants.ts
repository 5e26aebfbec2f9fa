import { NormalizedMessage } from '../../message.ts';
import type { ParsedMail } from '../parse.ts';
import { dangersIn } from './html-dangers.ts';

const megabyte = 1024 * 1024;
// eslint-disable-next-line no-control-regex -- control characters are what must not be there
const controls = /[\u0000-\u001f\u007f]/;
const directions = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** What every parsed mail holds to, whatever was sent; each line says what does not. */
export function violations({ message, attachments, threading, contentHash }: ParsedMail): string[] {
  const shape = NormalizedMessage.safeParse(message);
  const found: string[] = shape.success ? [] : [`its form: ${shape.error.message}`];
  const check = (holds: boolean, what: string): void => void (holds || found.push(what));
  for (const [path, text] of strings({ message, threading }, '')) {
    check(!text.includes('\0'), `NUL in ${path}`);
    check(text.isWellFormed(), `half a surrogate pair in ${path}`);
  }
  check(message.content.length <= megabyte, `content of ${message.content.length}`);
  check((message.html ?? '').length <= 4 * megabyte, `HTML of ${message.html?.length}`);
  check(!controls.test(message.subject ?? ''), 'a control character in the subject');
  check((message.subject ?? '').length <= 4000, 'the subject is too long');
  check(message.new_content !== '' || message.content.trim() === '', 'new text is lost');
  check(/^[0-9a-f]{64}$/.test(contentHash), 'no content hash');
  for (const id of [message.message_id ?? 'x', ...message.in_reply_to, ...message.references])
    check(!/[<>\s\p{Cc}]/u.test(id) && id !== '', `message id ${JSON.stringify(id.slice(0, 80))}`);
  const people = [
    message.sender,
    ...message.to,
    ...message.cc,
    ...message.bcc,
    ...message.reply_to,
  ];
  for (const person of people)
    check(!controls.test(`${person?.name}${person?.address}`), 'a control character in an address');
  check(people.length <= 100_000, `${people.length} people`);
  const names = new Set<string>();
  for (const { filename, size, content } of attachments) {
    const isSafe = filename !== '' && !/[\\/]/.test(filename) && !/^\.+$/.test(filename);
    check(isSafe && !controls.test(filename) && !directions.test(filename), `name ${filename}`);
    check(filename.length <= 230, `a name of ${filename.length}`);
    check(!names.has(filename.toLowerCase()), `the name ${filename} twice`);
    names.add(filename.toLowerCase());
    check(content === null || content.length === size, `size of ${filename}`);
  }
  if (message.html !== null) found.push(...dangersIn(message.html).map((one) => `HTML: ${one}`));
  return found;
}

function* strings(value: unknown, path: string): Generator<[string, string]> {
  if (typeof value === 'string') yield [path, value];
  else if (Array.isArray(value))
    for (const [at, one] of value.entries()) yield* strings(one, `${path}[${at}]`);
  else if (value !== null && typeof value === 'object')
    for (const [key, one] of Object.entries(value)) yield* strings(one, `${path}.${key}`);
}
