import type { Verdict } from '../../domain/rules/evaluate.ts';
import type { MailAddress, Message, MessagePriority } from '../../domain/message.ts';

/** What ingestion decided of a message, kept beside what its parser made of it: reading it anew changes nothing here. */
export interface Routing {
  /** `create` began its ticket, `new_reply`, `join` and `reopen` went to one that was there, `none` has no ticket. */
  readonly effect: 'create' | 'new_reply' | 'join' | 'reopen' | 'none';
  /** Names of the channel's rules that applied. */
  readonly rules?: readonly string[];
  readonly priority?: MessagePriority;
  /** Who asks, by a rule; answers go there. */
  readonly requester?: MailAddress;
  /** The rule that grouped it with other notices. */
  readonly grouped_by?: string;
  /** Why it has no ticket, in plain words, where its channel begins none for it. */
  readonly ticketless?: string;
  /** Of a message without a ticket: what the rules say of one that is made of it. */
  readonly begins?: BeginsWith;
}

/** What rules say of a ticket that a message begins. */
export type BeginsWith = Pick<Verdict, 'spam' | 'tags' | 'team' | 'assignee' | 'type' | 'priority'>;

export function routingOf(
  effect: Routing['effect'],
  verdict: Verdict,
  isGrouped: boolean,
  beginsNothing: string | null = null,
): Routing {
  const { matched, priority, requester, group } = verdict;
  return {
    effect,
    ...(matched.length > 0 ? { rules: matched } : {}),
    ...(priority === null ? {} : { priority: priority === 'urgent' ? 'high' : priority }),
    ...(requester ? { requester } : {}),
    ...(isGrouped && group ? { grouped_by: group.rule } : {}),
    ...(effect === 'none' && beginsNothing !== null ? { ticketless: beginsNothing } : {}),
    ...(effect === 'none' && matched.length > 0 ? { begins: beginsWith(verdict) } : {}),
  };
}

function beginsWith({ spam, tags, team, assignee, type, priority }: Verdict): BeginsWith {
  return { spam, tags, team, assignee, type, priority };
}

type Routed = Pick<Message, 'priority' | 'metadata'>;

/** The message's parts that rules have a say in, as the API shows them. */
export function withRouting(body: Routed, routing: Routing | null): Routed {
  const { platform_specific: specific } = body.metadata;
  const shown = routing && shownRouting(routing);
  return {
    priority: routing?.priority ?? body.priority,
    metadata: {
      ...body.metadata,
      platform_specific: {
        ...specific,
        ...(shown ? { rules: shown } : {}),
        ...(routing?.ticketless === undefined ? {} : { ticketless: routing.ticketless }),
      },
    },
  };
}

function shownRouting({ rules, requester, grouped_by }: Routing) {
  if (rules === undefined) return null;
  return {
    applied: rules,
    ...(requester ? { requester } : {}),
    ...(grouped_by === undefined ? {} : { grouped_by }),
  };
}

/** The message as an answer sees it: to a requester that a rule found it goes instead of the machine that wrote. */
export function answeredTo<Body extends { readonly reply_to: readonly MailAddress[] }>(
  body: Body,
  routing: unknown,
): Body {
  const requester = (routing as Routing | null)?.requester; // routingOf wrote it
  return requester ? { ...body, reply_to: [requester] } : body;
}
