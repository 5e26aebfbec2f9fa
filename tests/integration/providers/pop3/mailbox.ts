import type { FetchedBatch, FetchedItem } from '../../../../providers/contract.ts';
import { Pop3Settings } from '../../../../providers/pop3/manifest.ts';
import { pop3 } from '../../../../providers/pop3/provider.ts';
import type { Dovecot } from '../../../harness/index.ts';
import { providerCall } from '../call.ts';

export type CallParts = Parameters<typeof providerCall<Pop3Settings>>[1];

export interface Drained {
  readonly items: FetchedItem[];
  /** As it was kept: JSON. */
  readonly cursor: unknown;
  readonly batches: FetchedBatch[];
}

/** One user's mailbox on a Dovecot, read as the core reads it. */
export class Mailbox {
  readonly server: Dovecot;
  readonly user: string;
  constructor(server: Dovecot, user: string) {
    this.server = server;
    this.user = user;
  }

  settings(more: object = {}): Pop3Settings {
    return Pop3Settings.parse({
      host: this.server.host,
      port: this.server.ports.pop3s,
      ca: this.server.ca,
      username: this.user,
      password: 'secret',
      import_since: '2020-01-01',
      ...more,
    });
  }

  deliver(from: number, to: number, body = 'Hello\r\n'): void {
    for (let n = from; n <= to; n++) this.server.deliver(this.user, mail(`mail-${n}`, body));
  }

  /** Reads to the end; each batch is settled unless `stored` says otherwise. */
  async drain(
    cursor: unknown,
    given = this.settings(),
    more: CallParts = {},
    stored: (batch: FetchedBatch) => Promise<void> = async (batch) => batch.stored?.(),
  ): Promise<Drained> {
    const items: FetchedItem[] = [];
    const batches: FetchedBatch[] = [];
    let last = cursor;
    for await (const batch of pop3.mailbox!.fetch(providerCall(given, more), 'INBOX', cursor)) {
      batches.push(batch);
      items.push(...batch.items);
      last = JSON.parse(JSON.stringify(batch.cursor));
      await stored(batch);
    }
    return { items, cursor: last, batches };
  }

  left(): string[] {
    return subjectsOf(this.server.stored(this.user).map(({ raw }) => raw));
  }
}

export function mail(subject: string, body = 'Hello\r\n', headers = ''): string {
  return `${headers}Message-ID: <${subject}@example.test>\r\nFrom: ada@example.test\r\nSubject: ${subject}\r\n\r\n${body}`;
}

export function subjects(items: readonly FetchedItem[]): string[] {
  return subjectsOf(items.map(({ source }) => source as Buffer)); // whole, at these sizes
}

function subjectsOf(mails: readonly Buffer[]): string[] {
  return mails.map((raw) => /^Subject: (.*?)\r?$/m.exec(raw.toString('latin1'))?.[1] ?? '');
}

export function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `mail-${from + index}`);
}
