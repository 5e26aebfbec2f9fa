import { parseAddresses } from '../mail/addresses.ts';
import { isReportKind } from '../mail/classify.ts';
import { decodeHeaderText } from '../mail/headers.ts';
import type { ParsedMail } from '../mail/parse.ts';
import type { MailAddress } from '../message.ts';

/** What rules look at in a mail; the same mail always has the same. */
export interface RuleFacts {
  readonly sender: MailAddress | null;
  /** Everyone it was sent or delivered to, plus tags kept. */
  readonly recipients: readonly string[];
  readonly subject: string;
  readonly body: string;
  /** Of a chat `text`, `image`, `location` …; of a mail its kind. */
  readonly type: string;
  readonly attachments: readonly string[];
  /** In bytes, as it came. */
  readonly size: number;
  /** A bounce or another machine's word on mail of ours. */
  readonly isReport: boolean;
  /** Decoded values of every header of that name. */
  readonly headers: (name: string) => readonly string[];
  /** Addresses in every header of that name. */
  readonly addresses: (name: string) => readonly MailAddress[];
}

const headerLimit = 8_192;

/** @param size of the source in bytes */
export function ruleFacts(
  { message, threading, headers }: Pick<ParsedMail, 'message' | 'threading' | 'headers'>,
  size: number,
): RuleFacts {
  const decoded = new Map<string, string[]>();
  const named = [...message.to, ...message.cc, ...message.bcc].map(({ address }) => address);
  return {
    sender: message.sender,
    recipients: [...new Set([...named, ...threading.deliveredTo])],
    subject: message.subject ?? '',
    body: message.content,
    type: typeOf(message),
    attachments: message.attachments.map(({ filename }) => filename),
    size,
    isReport: isReportKind(message.kind),
    headers(name) {
      const key = name.toLowerCase();
      const known = decoded.get(key);
      if (known) return known;
      const values = headers.rawAll(key).map((raw) => decodeHeaderText(raw.slice(0, headerLimit)));
      decoded.set(key, values);
      return values;
    },
    addresses: (name) =>
      headers
        .rawAll(name.toLowerCase())
        .flatMap((raw) => parseAddresses(raw.slice(0, headerLimit))),
  };
}

function typeOf({ kind, metadata }: ParsedMail['message']): string {
  const { message_type: type } = metadata.platform_specific;
  return typeof type === 'string' ? type : kind;
}

/** The domain of an address in lower case, '' where there is none. */
export function domainOf(address: string | undefined): string {
  const at = address?.lastIndexOf('@') ?? -1;
  return at < 0 ? '' : address!.slice(at + 1).toLowerCase();
}
