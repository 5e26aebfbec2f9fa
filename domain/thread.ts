import type { TicketId } from './ids.ts';

// Which ticket an inbound message belongs to. Pure: the lookups have been made by the caller,
// within one tenant.

export type MatchedBy = 'references' | 'in_reply_to' | 'token' | 'plus_address' | 'subject';

/**
 * A message id that the tenant's thread table knows.
 * - `minted`: of our own making, its keyed hash verified;
 * - `received`: of a message that is on the ticket;
 * - `referenced`: named by a message on the ticket whose own mail never came (yet).
 */
export interface KnownMessageId {
  ticketId: TicketId;
  origin: 'minted' | 'received' | 'referenced';
}

export interface ThreadKeys {
  /** Address of the sender, null where none is readable. */
  sender: string | null;
  messageId: string | null;
  /** Newest first. */
  references: readonly string[];
  inReplyTo: readonly string[];
}

export interface ThreadLookups {
  messageIds: ReadonlyMap<string, KnownMessageId>;
  /** Tickets of ids of our own whose keyed hash verified, known to the table or not. */
  mintedTokens: readonly TicketId[];
  /** Tickets of plus addresses of ours whose keyed hash verified. */
  plusAddresses: readonly TicketId[];
  /** Tickets whose number stands as `[#123]` in the subject or body. */
  ticketTokens: readonly TicketId[];
  /** Who is on each ticket found above: requester with all addresses, senders, To and Cc. */
  participants: ReadonlyMap<TicketId, readonly string[]>;
}

export interface ThreadMatch {
  ticketId: TicketId;
  by: MatchedBy;
}

/**
 * The ticket that a message continues, or null where it begins one. First match counts: References
 * newest first, In-Reply-To, our keyed token, plus address, ticket number.
 *
 * What proves that the sender was written to (our own ids and plus addresses, under a keyed hash)
 * counts from anybody: so a colleague who got the answer forwarded, or the customer's other
 * address, joins and becomes a participant. What can be guessed or read elsewhere (ids of others'
 * making, which lists publish and many programs number in sequence, and ticket numbers) counts
 * from participants alone; else any stranger could write into a customer's ticket and be answered
 * there. Such a stranger gets a ticket of his own: an agent can merge it, nobody can unsend a leak.
 */
export function matchThread(keys: ThreadKeys, lookups: ThreadLookups): ThreadMatch | null {
  return (
    matchIds(keys.references, 'references', keys, lookups) ??
    matchIds(keys.inReplyTo, 'in_reply_to', keys, lookups) ??
    first(lookups.mintedTokens, 'token') ??
    first(lookups.plusAddresses, 'plus_address') ??
    matchTicketToken(keys, lookups) ??
    matchOwnId(keys, lookups)
  );
}

function matchIds(
  ids: readonly string[],
  by: MatchedBy,
  keys: ThreadKeys,
  lookups: ThreadLookups,
): ThreadMatch | null {
  for (const id of ids) {
    const known = lookups.messageIds.get(id);
    if (known && mayJoin(known, keys, lookups)) return { ticketId: known.ticketId, by };
  }
  return null;
}

// A child that came before its parent has named the parent's id: the parent joins its ticket.
function matchOwnId(keys: ThreadKeys, lookups: ThreadLookups): ThreadMatch | null {
  return keys.messageId === null ? null : matchIds([keys.messageId], 'references', keys, lookups);
}

function mayJoin(known: KnownMessageId, keys: ThreadKeys, lookups: ThreadLookups): boolean {
  return known.origin === 'minted' || isParticipant(keys.sender, known.ticketId, lookups);
}

function matchTicketToken(keys: ThreadKeys, lookups: ThreadLookups): ThreadMatch | null {
  const ticketId = lookups.ticketTokens.find((id) => isParticipant(keys.sender, id, lookups));
  return ticketId === undefined ? null : { ticketId, by: 'subject' };
}

function first(tickets: readonly TicketId[], by: MatchedBy): ThreadMatch | null {
  const ticketId = tickets[0];
  return ticketId === undefined ? null : { ticketId, by };
}

function isParticipant(
  sender: string | null,
  ticketId: TicketId,
  { participants }: ThreadLookups,
): boolean {
  if (sender === null) return false;
  const wanted = sender.toLowerCase();
  return participants.get(ticketId)?.some((address) => address.toLowerCase() === wanted) ?? false;
}
