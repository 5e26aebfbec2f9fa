import type { Request, Router } from 'express';
import { simpleParser, type ParsedMail } from 'mailparser';
import type { Simulator } from './contract.ts';
import { rawBody } from './server.ts';

/** A vendor that takes mail in for its customers and calls their door, and sends theirs. */
export interface MailCloud extends Simulator {
  /** Where the vendor calls from now on: inbound mail and reports. */
  connect(url: string): void;
  /** Somebody's mail reaches the vendor, which calls the door. */
  deliver(raw: Buffer, how?: Delivery): Promise<DoorAnswer>;
  /** What the API was given to send, oldest first. */
  readonly sent: readonly SentMail[];
  /** The vendor tells the door what became of a mail. */
  report(sent: SentMail, kind: ReportKind): Promise<DoorAnswer>;
  /** The next mail that is sent is refused for good, as the vendor words it. */
  refuseNext(): void;
  /** Every call of the door, newest last: to be repeated, or altered and repeated. */
  readonly calls: readonly DoorCall[];
}

export interface Delivery {
  /** Envelope; by default from and to the addresses of the mail's headers. */
  readonly from?: string;
  readonly to?: string;
  /** How the customer set the vendor up to hand mail over, by the vendor's own words. */
  readonly mode?: string;
}

export type ReportKind = 'delivered' | 'bounced' | 'complained';

export interface SentMail {
  /** The vendor's own id of it. */
  readonly id: string;
  readonly at: Date;
  readonly recipients: readonly string[];
  /** The mail as the vendor puts it on its way. */
  readonly raw: Buffer;
  /** As it was given to the API, where the vendor changes it. */
  readonly submitted?: Buffer;
}

export interface DoorCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface DoorAnswer {
  readonly status: number;
  readonly body: string;
}

/** The vendor's side of a door: remembers where it is, and every call of it. */
export class Caller {
  readonly calls: DoorCall[] = [];
  #url: URL | null = null;

  connect(url: string): void {
    this.#url = new URL(url);
  }

  /** User and password in the address become a header, as every HTTP client does it. */
  async call(headers: Readonly<Record<string, string>>, body: Buffer): Promise<DoorAnswer> {
    if (!this.#url)
      throw new Error('The simulator knows no door yet: POST its address to /_control/connect.');
    const { username, password } = this.#url;
    const bare = new URL(this.#url);
    bare.username = bare.password = '';
    const login = [username, password].map(decodeURIComponent).join(':');
    const call = {
      url: bare.href,
      headers: {
        ...headers,
        ...(username !== '' && {
          authorization: `Basic ${Buffer.from(login).toString('base64')}`,
        }),
      },
      body,
    };
    this.calls.push(call);
    return repeat(call);
  }
}

/** Makes a call once more, as it was or altered. */
export async function repeat({ url, headers, body }: DoorCall): Promise<DoorAnswer> {
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
  return { status: response.status, body: await response.text() };
}

/** `POST /connect` {url} · `POST /deliver?from=&to=&mode=` with a raw mail · `GET /sent` · `POST /report` {id, kind}. */
export function mailCloudControls(control: Router, cloud: () => MailCloud): void {
  control.post('/connect', (request, response) => {
    cloud().connect((request.body as { url: string }).url);
    response.status(204).end();
  });
  control.post('/deliver', async (request, response) => {
    const answer = await cloud().deliver(rawBody(request), deliveryOf(request));
    response.json({ door: answer });
  });
  control.get('/sent', (_request, response) => {
    response.json(cloud().sent.map((mail) => ({ ...mail, raw: mail.raw.toString() })));
  });
  control.post('/report', async (request, response) => {
    const { id, kind } = request.body as { id: string; kind: ReportKind };
    const mail = cloud().sent.find((one) => one.id === id);
    if (!mail) {
      response.status(404).json({ error: `No mail ${id} was sent.` });
      return;
    }
    response.json({ door: await cloud().report(mail, kind) });
  });
}

function deliveryOf({ query }: Request): Delivery {
  const text = (name: string) => {
    const value = query[name];
    return typeof value === 'string' ? { [name]: value } : {};
  };
  return { ...text('from'), ...text('to'), ...text('mode') };
}

/** A mail taken apart, as a vendor's parser does it. */
export async function inPieces(raw: Buffer): Promise<ParsedMail> {
  return simpleParser(raw, { skipImageLinks: true, skipTextToHtml: true });
}

/** Envelope of a mail that was handed over without one. */
export function envelopeOf(mail: ParsedMail, { from, to }: Delivery): { from: string; to: string } {
  const recipients = Array.isArray(mail.to) ? mail.to : mail.to ? [mail.to] : [];
  return {
    from: from ?? mail.from?.value[0]?.address ?? '',
    to: to ?? recipients[0]?.value[0]?.address ?? '',
  };
}

/** All that stands before the body. */
export function headOf(raw: Buffer): Buffer {
  return Buffer.from(raw.toString('latin1').split(/\r?\n\r?\n/, 1)[0]!, 'latin1');
}

/** Header lines, each with its folded rest on one line, 8-bit text read as UTF-8. */
export function headerLines(raw: Buffer): [name: string, value: string][] {
  const lines = headOf(raw)
    .toString()
    .split(/\r?\n(?![ \t])/);
  return lines.map((line) => {
    const colon = line.indexOf(':');
    return [
      line.slice(0, colon),
      line
        .slice(colon + 1)
        .replace(/\r?\n\s*/g, ' ')
        .trim(),
    ];
  });
}
