import type { Readable } from 'node:stream';
import { fingerprintOf } from './cursor.ts';
import type { Pop3Session } from './session.ts';

/** A mail as the server lists it: some forty bytes, of which a large mailbox has many. */
export interface ListedMail {
  /** Its unique id (RFC 1939 §7), which stays; at most 70 characters. */
  readonly id: string;
  readonly fingerprint: string;
  /** Its numbers in this session; several where copies of one mail share an id. */
  readonly numbers: number[];
  /** In bytes, as the server counts. */
  size: number;
}

/** Longest line of a listing that is read; what is longer is no listing. */
const LINE_CHARACTERS = 1024;

/** Every mail of the mailbox, in the server's order: oldest first with most. @throws Pop3Refusal without UIDL */
export async function listMails(session: Pop3Session): Promise<ListedMail[]> {
  const mails = new Map<string, ListedMail>();
  const byNumber: ListedMail[] = [];
  const [, ids] = await session.command('UIDL');
  for await (const [number, id] of pairs(ids)) {
    const mail = mails.get(id);
    if (mail) mail.numbers.push(number);
    else mails.set(id, { id, fingerprint: fingerprintOf(id), numbers: [number], size: 0 });
    byNumber[number] = mails.get(id)!;
  }
  const [, sizes] = await session.command('LIST');
  for await (const [number, size] of pairs(sizes)) {
    const mail = byNumber[number];
    if (mail) mail.size = Number(size) || 0;
  }
  return [...mails.values()];
}

/** `number value` a line. */
async function* pairs(content: Readable): AsyncGenerator<[number: number, value: string]> {
  let open = '';
  for await (const piece of content as AsyncIterable<Buffer>) {
    const lines = (open + piece.toString('latin1')).split('\r\n');
    open = lines.pop()!.slice(0, LINE_CHARACTERS);
    for (const line of lines) {
      const found = /^(\d{1,9}) +([\x21-\x7e]+)/.exec(line);
      if (found) yield [Number(found[1]), found[2]!];
    }
  }
}
