import { createHash } from 'node:crypto';
import { asRawMail, messageIdOf, PushedMail, senderOf } from '../../domain/mail/pushed-mail.ts';
import { domainOf } from '../../domain/rules/facts.ts';
import { isOfDomain } from '../../domain/rules/sender-lists.ts';
import { UnreadableCall, type RealTimeDoor, type SourceOutcome } from '../contract.ts';
import type { MimeSettings } from './manifest.ts';

/** A longer Message-ID is told apart by its hash. */
const ID_CHARACTERS = 500;

/** Mail that platforms have parsed and push as JSON; their caller is told what became of it. */
export const realTime: RealTimeDoor<MimeSettings> = {
  name: 'email',
  aliases: ['/webhooks/email'],
  async receive({ body, receivedAt }, { settings }) {
    const mail = readMail(body);
    const turnedAway = whyTurnedAway(mail, settings);
    return {
      source: await asRawMail(mail),
      providerMessageId: identityOf(mail),
      receivedAt,
      meta: { priority: 'high' },
      ...(turnedAway === null ? {} : { turnedAway }),
    };
  },
  conclude,
};

/** @throws UnreadableCall */
function readMail(body: Buffer): PushedMail {
  const parsed = PushedMail.safeParse(readJson(body));
  if (parsed.success) return parsed.data;
  throw new UnreadableCall(
    'This is no mail that can be taken; mend the fields named in errors.',
    parsed.error.issues.map(({ path, message }) => ({
      pointer: path.length === 0 ? '/' : `/${path.join('/')}`,
      message: message.endsWith('received undefined') ? 'This field is missing.' : message,
    })),
  );
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'it can’t be read';
    throw new UnreadableCall('The body must be a mail as JSON: {"from", "to", "subject", …}.', [
      { pointer: '/', message: `is no JSON: ${reason}` },
    ]);
  }
}

/** The same mail has the same identity, so that a redelivery is known. */
function identityOf(mail: PushedMail): string {
  const id = messageIdOf(mail);
  if (id !== null && id.length <= ID_CHARACTERS) return `pushed:${id}`;
  const hash = createHash('sha256').update(id ?? JSON.stringify(mail));
  return `pushed:sha256:${hash.digest('hex')}`;
}

/** Both filters must let it in; case is ignored. */
function whyTurnedAway(
  mail: PushedMail,
  { sender_domains: domains = [], subject_keywords: keywords = [] }: MimeSettings,
): string | null {
  const domain = domainOf(senderOf(mail.from) ?? undefined);
  if (domains.length > 0 && !domains.some((entry) => isOfDomain(domain, entry)))
    return 'The real-time door takes no mail of its sender’s domain.';
  const subject = mail.subject.toLowerCase();
  if (keywords.length > 0 && !keywords.some((word) => subject.includes(word.toLowerCase())))
    return 'Its subject has none of the real-time door’s keywords.';
  return null;
}

const ACTIONS = {
  created: 'ticket_created',
  joined: 'message_added',
  reopened: 'ticket_reopened',
  none: 'stored',
} as const;

function conclude(outcome: SourceOutcome): { status: number; body: object } {
  switch (outcome.state) {
    case 'processed':
      return {
        status: 200,
        body: {
          status: 'processed',
          email_id: outcome.messageId,
          ticket: outcome.ticket,
          action: ACTIONS[outcome.effect],
        },
      };
    case 'filtered':
      return { status: 200, body: { status: 'filtered' } };
    case 'accepted':
    case 'set_aside':
      return { status: 202, body: { status: outcome.state, source_id: outcome.sourceId } };
  }
}
