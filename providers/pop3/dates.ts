/** Headers are looked for no further than this into a mail. */
const HEADER_BYTES = 256 * 1024;

export interface MailDates {
  /** When the server that we read from took the mail: the topmost Received (RFC 5321 §4.4). */
  readonly received: Date | null;
  /** What its sender says. */
  readonly sent: Date | null;
}

/** POP3 tells no times; the headers do. */
export function datesOf(mail: Buffer): MailDates {
  const headers = headersOf(mail);
  const received = fieldOf(headers, 'received');
  return {
    received: received === null ? null : dateFrom(received.slice(received.lastIndexOf(';') + 1)),
    sent: dateFrom(fieldOf(headers, 'date') ?? ''),
  };
}

function headersOf(mail: Buffer): string {
  const end = mail.indexOf('\r\n\r\n');
  return mail.toString('latin1', 0, Math.min(end === -1 ? mail.length : end, HEADER_BYTES));
}

/** The first field of that name, unfolded. */
function fieldOf(headers: string, name: string): string | null {
  const found = new RegExp(String.raw`^${name}[ \t]*:(.*(?:\r?\n[ \t].*)*)`, 'im').exec(headers);
  return found ? found[1]!.replace(/\r?\n[ \t]+/g, ' ') : null;
}

function dateFrom(text: string): Date | null {
  const time = Date.parse(text.replace(/\([^()]*\)/g, ' ').trim());
  return Number.isNaN(time) ? null : new Date(time);
}
