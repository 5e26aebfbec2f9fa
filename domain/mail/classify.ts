import type { MessageBounce, MessageKind, MessagePriority } from '../message.ts';
import { readDeliveryStatus, readPlainBounce } from './bounce.ts';
import type { MailHeaders } from './headers.ts';
import { parseStructured } from './headers.ts';
import type { MailPart } from './mime.ts';

/** Header that every mail of ours carries; its value names the installation. */
export const ownHeader = 'x-postroom-origin';

export interface Classification {
  kind: MessageKind;
  bounce: MessageBounce | null;
  /** Why no person seems to have sent it, or null: automatic mail is never answered by itself. */
  automatic: string | null;
}

/** What machines report of mail that was sent: it begins no ticket. */
export function isReportKind(kind: MessageKind): boolean {
  return ['bounce', 'auto_reply', 'delivery_report', 'feedback_report'].includes(kind);
}

interface MailFacts {
  headers: MailHeaders;
  from: string | null;
  subject: string | null;
  text: string;
  parts: readonly MailPart[];
  /** Envelope sender, '' for the null sender, null where unknown. */
  envelopeFrom: string | null;
}

/** What a mail is, by its structure first, then by its headers, at last by its words. */
export function classifyMail(mail: MailFacts): Classification {
  const type = parseStructured(mail.headers.raw('content-type'));
  const report = type.value === 'multipart/report' ? (type.params['report-type'] ?? '') : '';
  const status = readDeliveryStatus(mail.parts, mail.headers);
  if (status) return classifyDeliveryStatus(status);
  if (/feedback-report/i.test(report) || hasPart(mail, /^message\/feedback-report$/)) {
    return { kind: 'feedback_report', bounce: null, automatic: 'a feedback report' };
  }
  if (/disposition-notification/i.test(report)) {
    return { kind: 'delivery_report', bounce: null, automatic: 'a disposition notification' };
  }
  if (isPlainBounce(mail) || /delivery-status/i.test(report)) {
    const bounce = readPlainBounce(mail.text, mail.headers, mail.parts);
    return { kind: 'bounce', bounce, automatic: 'a delivery failure' };
  }
  return classifyByHeaders(mail);
}

function classifyDeliveryStatus(status: MessageBounce): Classification {
  const failed = status.recipients.some((recipient) => recipient.action === 'failed');
  const kind = failed || status.recipients.length === 0 ? 'bounce' : 'delivery_report';
  return { kind, bounce: status, automatic: 'a delivery report' };
}

function classifyByHeaders(mail: MailFacts): Classification {
  const answer = autoReplySign(mail);
  if (answer) return { kind: 'auto_reply', bounce: null, automatic: answer };
  if (hasPart(mail, /^(text\/calendar|application\/ics)$/)) {
    return { kind: 'calendar', bounce: null, automatic: machineSign(mail) };
  }
  const machine = machineSign(mail);
  const kind = machine && isNotification(mail) ? 'notification' : 'message';
  return { kind, bounce: null, automatic: machine };
}

function hasPart(mail: MailFacts, type: RegExp): boolean {
  return mail.parts.some((part) => type.test(part.contentType));
}

const daemon = /^(mailer-daemon|postmaster|mail-daemon|mdaemon|mailerdaemon)(@|$)/i;
const bounceSubject =
  /undeliver(able|ed)|delivery (status notification|failure|has failed|incomplete)|mail delivery (failed|system|error)|returned mail|failure notice|delivery.*fail|not delivered|could not be delivered|unzustellbar|nicht zugestellt|zustellung.*(fehl|nicht)|non remis|échec.*(remise|livraison)|non recapitabil|mancata consegna|no se (ha podido|puede|pudo) entregar|no entregado|devuelto|não (foi )?(entregue|pode ser entregue)|onbestelbaar|niet bezorgd|niedostarczon|nie dostarczono|kunde inte levereras|не доставлено|недоставлен|配信不能|配達不能|未送達|退信|无法投递|傳送失敗/iu;

function isPlainBounce(mail: MailFacts): boolean {
  if (mail.headers.has('x-failed-recipients')) return true;
  const fromDaemon = daemon.test(mail.from ?? '');
  const nullSender = isNullSender(mail);
  const says = bounceSubject.test(mail.subject ?? '');
  if (says) return fromDaemon || nullSender;
  // In whatever language: a mail system without a sender that reports a permanent failure.
  return fromDaemon && nullSender && permanentFailure.test(mail.text.slice(0, 16_384));
}

const permanentFailure = /(^|[\s#:(])(5\.\d{1,3}\.\d{1,3}|55[0-9])(?=[\s:;,)-]|$)/m;

function isNullSender(mail: MailFacts): boolean {
  if (mail.envelopeFrom !== null) return mail.envelopeFrom === '';
  return /^<\s*>$/.test(mail.headers.raw('return-path') ?? '');
}

const outOfOffice =
  /^(automatic reply|auto(matic)?[ -]?(reply|response)|auto:|out of (the )?office|away from (the )?office|automatische antwort|abwesenheit|réponse automatique|absence|respuesta autom[aá]tica|resposta autom[aá]tica|risposta automatica|automatisch antwoord|afwezig|autosvar|automatiskt svar|odpowied[zź] automatyczna|automatická odpov|automatikus válasz|автоответ|автоматический ответ|自動応答|自动回复|自動回覆)/iu;

/** The sign by which a mail is an automatic answer to somebody's mail, or null. */
function autoReplySign({ headers, subject }: MailFacts): string | null {
  const submitted = word(headers, 'auto-submitted');
  if (submitted === 'auto-replied') return 'Auto-Submitted: auto-replied';
  const signs = ['x-autoreply', 'x-autorespond', 'x-autoresponder', 'x-auto-reply-from'];
  const sign = signs.find((name) => headers.has(name) && word(headers, name) !== 'no');
  if (sign) return `a header ${sign}`;
  if (word(headers, 'precedence') === 'auto_reply') return 'Precedence: auto_reply';
  if (word(headers, 'x-precedence') === 'auto_reply') return 'X-Precedence: auto_reply';
  if (headers.has('x-ms-exchange-inbox-rules-loop')) return 'an inbox rule of Exchange';
  return outOfOffice.test(subject ?? '') ? 'the subject of an automatic reply' : null;
}

/** The sign by which no person sent this mail by hand, or null. */
function machineSign(mail: MailFacts): string | null {
  const submitted = word(mail.headers, 'auto-submitted');
  if (submitted !== null && submitted !== 'no') return `Auto-Submitted: ${submitted}`;
  const precedence = word(mail.headers, 'precedence') ?? '';
  if (['bulk', 'junk'].includes(precedence)) return `Precedence: ${precedence}`;
  if (isNullSender(mail)) return 'the null sender';
  if (daemon.test(mail.from ?? '')) return 'a mail system as its sender';
  // Outlook sets this on people's mail too, for OOF alone; All and AutoReply are machines'.
  const suppress = word(mail.headers, 'x-auto-response-suppress') ?? '';
  if (/\b(all|autoreply)\b/.test(suppress)) return `X-Auto-Response-Suppress: ${suppress}`;
  return null;
}

// A list's headers stand on people's mail behind group addresses too; with a way to unsubscribe
// and bulk precedence, or a machine's own mark, nobody waits for an answer.
function isNotification({ headers, from }: MailFacts): boolean {
  const submitted = word(headers, 'auto-submitted');
  if (submitted !== null && submitted !== 'no') return true;
  return (
    headers.has('list-unsubscribe') ||
    /^(no-?reply|do-?not-?reply|notifications?|alerts?)\b/i.test(from ?? '')
  );
}

/** First word of a header in lower case, without comment or parameters. */
function word(headers: MailHeaders, name: string): string | null {
  const text = headers.text(name);
  return text === null ? null : text.toLowerCase().split(/[\s;(]/)[0]!;
}

/** A list's header (RFC 2369, RFC 2919), or bulk precedence: many got it, and nobody asked for an answer. */
export function isListMail(headers: MailHeaders): boolean {
  const signs = ['list-id', 'list-post', 'list-unsubscribe', 'list-help', 'mailing-list'];
  return (
    signs.some((name) => headers.has(name)) ||
    ['list', 'bulk', 'junk'].includes(word(headers, 'precedence') ?? '')
  );
}

/** Marks by which a mail of our own that came back is known. */
export interface LoopHeaders {
  /** Values of our own header, one for each time it was set. */
  origins: string[];
  /** Servers that passed it on. */
  receivedCount: number;
  /** Addresses that forwarding servers have marked the mail with. */
  deliveredTo: string[];
}

export function readLoopHeaders(headers: MailHeaders): LoopHeaders {
  return {
    origins: headers.rawAll(ownHeader),
    receivedCount: headers.rawAll('received').length,
    deliveredTo: [...headers.rawAll('delivered-to'), ...headers.rawAll('x-loop')],
  };
}

/** The sender's mark of urgency: X-Priority, X-MSMail-Priority, Importance, Priority. */
export function readPriority(headers: MailHeaders): MessagePriority {
  for (const name of ['x-priority', 'x-msmail-priority', 'importance', 'priority']) {
    const value = headers.text(name)?.toLowerCase() ?? '';
    if (/^([12]\b|high|urgent)/.test(value)) return 'high';
    if (/^([45]\b|low|non-urgent)/.test(value)) return 'low';
  }
  return 'normal';
}
