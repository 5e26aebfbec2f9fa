import type { BounceAction, BounceRecipient, MessageBounce } from '../message.ts';
import { normalizeAddress } from './addresses.ts';
import { decodeHeaderText, MailHeaders, parseMessageIds } from './headers.ts';
import type { MailPart } from './mime.ts';

const recipientLimit = 500;
const actions = new Set<string>(['failed', 'delayed', 'delivered', 'relayed', 'expanded']);

function isBounceAction(word: string): word is BounceAction {
  return actions.has(word);
}

/**
 * Delivery status of a report (RFC 3464): what became of each recipient, and which mail it was.
 * Null where the parts hold no delivery-status.
 */
export function readDeliveryStatus(
  parts: readonly MailPart[],
  headers: MailHeaders,
): MessageBounce | null {
  const status = parts.find((part) =>
    /^message\/(global-)?delivery-status$/.test(part.contentType),
  );
  if (!status?.start) return null;
  const groups = fieldGroups(status.start);
  return {
    recipients: groups.slice(0, recipientLimit).flatMap(readRecipient),
    original_message_id: returnedMessageId(parts) ?? namedMessageId(groups[0], headers),
  };
}

// The report is groups of header fields apart by blank lines; the first is the report's own.
function fieldGroups(report: Buffer): MailHeaders[] {
  return report
    .toString('latin1')
    .split(/(?:\r?\n[ \t]*){2,}/)
    .map((group) => MailHeaders.read(Buffer.from(group.trim(), 'latin1')));
}

function readRecipient(fields: MailHeaders): BounceRecipient[] {
  const recipient =
    typed(fields.text('final-recipient')) ?? typed(fields.text('original-recipient'));
  if (recipient === null) return [];
  const diagnostic = typed(fields.text('diagnostic-code'));
  const status = enhancedStatus(fields.text('status') ?? '') ?? enhancedStatus(diagnostic ?? '');
  const word = (fields.text('action') ?? '').toLowerCase().split(/[\s(;]/)[0]!;
  const action = isBounceAction(word) ? word : actionByStatus(status);
  return [describe(recipient, action, status, diagnostic)];
}

function describe(
  address: string,
  action: BounceAction,
  status: string | null,
  diagnostic: string | null,
): BounceRecipient {
  const smtp = smtpCode(diagnostic ?? '');
  const class5 = status === null ? smtp !== null && smtp >= 500 : status.startsWith('5');
  return {
    address: normalizeAddress(address),
    action,
    status,
    smtp_code: smtp,
    permanent: action === 'failed' && class5,
    diagnostic: diagnostic?.slice(0, 1000) ?? null,
  };
}

/** The value of a "type; value" field, such as `rfc822; ada@example.com`. */
function typed(field: string | null): string | null {
  return field?.replace(/^[\w.-]+\s*;\s*/, '').trim() || null;
}

function enhancedStatus(text: string): string | null {
  return /\b([245]\.\d{1,3}\.\d{1,3})\b/.exec(text)?.[1] ?? null;
}

function smtpCode(text: string): number | null {
  const code = /(?:^|[\s:#<(])([245][0-5]\d)(?=[\s:-]|$)/.exec(text)?.[1];
  return code === undefined ? null : Number(code);
}

function actionByStatus(status: string | null): BounceAction {
  if (status?.startsWith('2')) return 'delivered';
  return status?.startsWith('4') ? 'delayed' : 'failed';
}

/** Where the mail itself does not come back: the report's own field, or what it answers. */
function namedMessageId(report: MailHeaders | undefined, headers: MailHeaders): string | null {
  const named = report?.raw('x-original-message-id') ?? report?.raw('original-message-id') ?? null;
  return firstId(named) ?? firstId(headers.raw('in-reply-to')) ?? null;
}

function firstId(raw: string | null): string | null {
  return parseMessageIds(raw)[0] ?? null;
}

function returnedMessageId(parts: readonly MailPart[]): string | null {
  const original = parts.find((part) =>
    /^(message\/(rfc822|global|rfc822-headers|global-headers)|text\/rfc822-headers)$/.test(
      part.contentType,
    ),
  );
  if (!original?.start) return null;
  return firstId(MailHeaders.read(original.start).raw('message-id'));
}

/**
 * Bounce of a server that writes no delivery-status: addresses, codes and the returned mail's
 * headers are picked from the text. The caller has established that it is a bounce.
 */
export function readPlainBounce(
  text: string,
  headers: MailHeaders,
  parts: readonly MailPart[],
): MessageBounce {
  const [report, returned] = splitReturnedMail(text.slice(0, 65_536));
  const failed = headers.rawAll('x-failed-recipients').flatMap((raw) => {
    return decodeHeaderText(raw).split(/[\s,]+/);
  });
  const addresses = failed.length > 0 ? failed : addressesOf(report, headers);
  const status = enhancedStatus(report);
  const diagnostic = diagnosticLine(report);
  return {
    recipients: addresses
      .filter((address) => address.includes('@'))
      .slice(0, recipientLimit)
      .map((address) => describe(address, 'failed', status, diagnostic)),
    original_message_id:
      returnedMessageId(parts) ??
      firstId(/^message-id:(.*)$/im.exec(returned)?.[1] ?? null) ??
      namedMessageId(undefined, headers),
  };
}

const returnedMark =
  /^-{2,}[^\n]{0,80}?(copy of|returned|original|undelivered)|original message (headers )?follows|below this line is a copy|^(return-path|received):/i;

/** Report and returned mail, apart at the line that announces the latter. */
function splitReturnedMail(text: string): [string, string] {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => returnedMark.test(line.slice(0, 200)));
  return at < 0 ? [text, text] : [lines.slice(0, at).join('\n'), lines.slice(at).join('\n')];
}

function addressesOf(report: string, headers: MailHeaders): string[] {
  const own = new Set(
    ['from', 'to'].flatMap(
      (name) => decodeHeaderText(headers.raw(name) ?? '').match(mailAddress) ?? [],
    ),
  );
  return [...new Set(report.match(mailAddress) ?? [])].filter(
    (address) => !own.has(address) && !/^(postmaster|mailer-daemon)@/i.test(address),
  );
}

const mailAddress = /[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}/gi;

function diagnosticLine(report: string): string | null {
  const line = report
    .split('\n')
    .find((text) => /\b[245]\d\d[ :-]|\b[245]\.\d{1,3}\.\d{1,3}\b/.test(text));
  return line?.trim() || null;
}
