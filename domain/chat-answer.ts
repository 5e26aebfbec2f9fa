import { assertNever } from './assert-never.ts';
import type { ConversationFacts, Interactive } from './chat.ts';

// What may be said on a chat, and when. Decided before an answer is queued, and once more before it leaves: in between
// a window may have closed.

/** What a channel takes, as its provider declares it. */
export interface ChatTerms {
  readonly limits: {
    readonly text: number;
    readonly attachments: number;
    readonly interactive: readonly Interactive['type'][];
  };
  /** After the customer's latest message, in milliseconds. */
  readonly tags?: Readonly<Record<string, number>>;
  /** It can send templates. */
  readonly hasTemplates: boolean;
  /** What else it wouldn't take, in plain words. */
  readonly unfit?: (answer: Omit<ChatAnswer, 'tag'>) => string | null;
}

export interface Conversation extends ConversationFacts {
  readonly lastInboundAt: Date | null;
}

export interface ChatAnswer {
  readonly text: string;
  readonly attachments: number;
  readonly hasTemplate: boolean;
  readonly interactive: Interactive | null;
  readonly tag: string | null;
}

/** Why something is not sent: a stable code, and plain words for whoever wrote it. */
export interface Refusal {
  readonly code: string;
  readonly detail: string;
}

/** Why this answer can't be sent at that time; null where it can. */
export function chatRefusal(
  answer: ChatAnswer,
  terms: ChatTerms,
  conversation: Conversation,
  at: Date,
): Refusal | null {
  return formRefusal(answer, terms) ?? sayable(answer, terms, conversation, at);
}

/** The same, of an answer whose form is in order. */
export function sayable(
  { hasTemplate, tag }: Pick<ChatAnswer, 'hasTemplate' | 'tag'>,
  terms: ChatTerms,
  conversation: Conversation,
  at: Date,
): Refusal | null {
  return (
    optOutRefusal(conversation) ??
    (hasTemplate ? null : windowRefusal(tag, terms, conversation, at))
  );
}

export function isWindowOpen({ windowEndsAt }: ConversationFacts, at: Date): boolean {
  return windowEndsAt !== null && windowEndsAt > at;
}

function formRefusal(answer: ChatAnswer, { limits, tags, hasTemplates, unfit }: ChatTerms) {
  const { text, attachments, hasTemplate, interactive, tag } = answer;
  if (hasTemplate && !hasTemplates)
    return refusal('template_not_supported', 'This channel has no templates; write the text.');
  if (hasTemplate && interactive)
    return refusal(
      'template_alone',
      'A template brings its own buttons; leave out "interactive", or the template.',
    );
  if (!hasTemplate && text === '' && attachments === 0)
    return refusal('nothing_written', 'Give "text", "html", "attachments" or "template".');
  const length = Array.from(text).length;
  if (!hasTemplate && length > limits.text)
    return refusal(
      'text_too_long',
      `The text has ${length} characters; this channel takes ${limits.text}. Send it in parts.`,
    );
  if (attachments > limits.attachments)
    return refusal(
      'too_many_attachments',
      `${attachments} attachments are too many; this channel takes ${limits.attachments} in one answer.`,
    );
  if (interactive && !limits.interactive.includes(interactive.type))
    return refusal('interactive_not_supported', interactiveDetail(interactive, limits.interactive));
  if (tag !== null && tags?.[tag] === undefined)
    return refusal('unknown_tag', tagDetail(tag, Object.keys(tags ?? {})));
  const problem = unfit?.(answer) ?? null;
  return problem === null ? null : refusal('not_taken', problem);
}

function optOutRefusal({ optedOutAt }: Conversation): Refusal | null {
  return optedOutAt === null
    ? null
    : refusal(
        'opted_out',
        `The customer asked on ${optedOutAt.toISOString()} to be sent nothing more on this channel; only the customer can take that back.`,
      );
}

function windowRefusal(
  tag: string | null,
  { tags = {}, hasTemplates }: ChatTerms,
  conversation: Conversation,
  at: Date,
): Refusal | null {
  if (isWindowOpen(conversation, at)) return null;
  const { windowEndsAt } = conversation;
  if (tag !== null) {
    const ends = tagEndsAt(tag, tags, conversation);
    if (ends !== null && ends > at) return null;
    return refusal(
      'window_closed',
      `Under the tag "${tag}" an answer could be sent until ${ends?.toISOString() ?? 'a time after the customer’s first message'}. ${remedy(hasTemplates, [])}`,
    );
  }
  const since =
    windowEndsAt === null
      ? 'The customer has not written on this channel yet'
      : `The window for free text ended at ${windowEndsAt.toISOString()}`;
  return refusal(
    'window_closed',
    `${since}. ${remedy(hasTemplates, usableTags({ tags }, conversation, at))}`,
  );
}

export interface UsableTag {
  readonly name: string;
  readonly endsAt: Date;
}

/** Under which an answer may be sent at that time, and until when. */
export function usableTags(
  { tags = {} }: Pick<ChatTerms, 'tags'>,
  conversation: Conversation,
  at: Date,
): UsableTag[] {
  return Object.keys(tags).flatMap((name) => {
    const endsAt = tagEndsAt(name, tags, conversation);
    return endsAt !== null && endsAt > at ? [{ name, endsAt }] : [];
  });
}

function tagEndsAt(
  name: string,
  tags: Readonly<Record<string, number>>,
  { lastInboundAt }: Conversation,
): Date | null {
  return lastInboundAt === null ? null : new Date(lastInboundAt.getTime() + (tags[name] ?? 0));
}

function remedy(hasTemplates: boolean, tags: readonly UsableTag[]): string {
  const ways = [
    ...(hasTemplates ? ['a "template" (GET /v1/channels/{id}/templates lists them)'] : []),
    ...tags.map(({ name, endsAt }) => `the "tag" ${name} (until ${endsAt.toISOString()})`),
  ];
  return ways.length === 0
    ? 'Nothing may be sent until the customer writes again.'
    : `Until the customer writes again, send it with ${ways.join(' or ')}.`;
}

function interactiveDetail({ type }: Interactive, known: readonly Interactive['type'][]): string {
  const names = known.map(nameOf).join(', ');
  return `This channel shows no ${nameOf(type)}${names === '' ? '' : `; it shows ${names}`}.`;
}

function nameOf(type: Interactive['type']): string {
  switch (type) {
    case 'buttons':
      return 'buttons';
    case 'list':
      return 'list';
    case 'quick_replies':
      return 'quick replies';
    default:
      return assertNever(type);
  }
}

function tagDetail(tag: string, known: readonly string[]): string {
  return known.length === 0
    ? `This channel has no tags; leave out "${tag}".`
    : `This channel has no tag "${tag}"; it has ${known.join(', ')}.`;
}

function refusal(code: string, detail: string): Refusal {
  return { code, detail };
}
