import type { BusinessCalendar } from './sla/calendar.ts';
import {
  agentReplied,
  customerMessaged,
  markedSpam,
  policyChanged,
  startSla,
  statusChanged,
  type StartFacts,
} from './sla/clock.ts';
import { choosePolicy, type PolicyFacts, type SlaPolicy } from './sla/policy.ts';
import type { SlaState } from './sla/state.ts';
import type { TicketStatus } from './ticket.ts';

const HOUR_MS = 3_600_000;

/** What a tenant has set for its tickets. */
export interface TicketRules {
  readonly policies: readonly SlaPolicy[];
  readonly calendars: ReadonlyMap<string, BusinessCalendar>;
  /** A resolved ticket closes by itself after so many hours. */
  readonly autoCloseHours: number;
  /** A closed ticket is reopened by its customer within so many days; later a follow-up is opened. */
  readonly reopenWindowDays: number;
  /** What the customer's message does inside that window. */
  readonly afterClosing: 'reopen' | 'follow_up';
}

interface EndedTicket {
  readonly status: TicketStatus;
  readonly resolved_at: Date | null;
  readonly closed_at: Date | null;
}

/** When a resolved ticket closes by itself; null for every other. */
export function closesAt(ticket: EndedTicket, rules: TicketRules): Date | null {
  if (ticket.status !== 'resolved' || !ticket.resolved_at) return null;
  return new Date(ticket.resolved_at.getTime() + rules.autoCloseHours * HOUR_MS);
}

/** When the reopen window of a closed or spam ticket ends; null for every other. */
export function endsAt(ticket: EndedTicket, rules: TicketRules): Date | null {
  if ((ticket.status !== 'closed' && ticket.status !== 'spam') || !ticket.closed_at) return null;
  return new Date(ticket.closed_at.getTime() + rules.reopenWindowDays * 24 * HOUR_MS);
}

/**
 * What a customer's message does to a ticket it belongs to: `join` leaves the status, `reopen` opens it
 * (again), `follow_up` means that a linked ticket is to be made.
 */
export function whereMessageGoes(
  ticket: EndedTicket,
  rules: TicketRules,
  now: Date,
): 'join' | 'reopen' | 'follow_up' {
  switch (ticket.status) {
    case 'open':
    case 'spam':
      return 'join';
    case 'pending':
    case 'on_hold':
    case 'resolved':
      return 'reopen';
    case 'closed':
      return now < (endsAt(ticket, rules) ?? now) ? rules.afterClosing : 'follow_up';
  }
}

/** A customer's word opens a ticket that waited; `whereMessageGoes` says what it does to one that has ended. */
export function statusAfterCustomer(status: TicketStatus): TicketStatus {
  return status === 'pending' || status === 'on_hold' ? 'open' : status;
}

/** The clocks of a new ticket under the first policy that fits it. */
export function slaAtStart(
  rules: TicketRules,
  facts: PolicyFacts & { status: TicketStatus; awaiting?: StartFacts['awaiting'] },
  now: Date,
): SlaState {
  const policy = choosePolicy(rules.policies, facts);
  const calendar = calendarOf(policy, rules);
  const state = startSla(policy, calendar, facts, now);
  if (facts.status === 'spam') return markedSpam(state, calendar, now);
  return facts.status === 'open' ? state : statusChanged(state, calendar, facts.status, now);
}

export interface SlaMove {
  readonly before: PolicyFacts & { status: TicketStatus };
  readonly after: PolicyFacts & { status: TicketStatus };
  /** Who wrote, where that counts: neither notes nor automatic mail do. */
  readonly said: 'customer' | 'agent' | null;
  /** A policy or calendar was edited: take its figures anew though the ticket's facts are the same. */
  readonly policyEdited: boolean;
}

/** The clocks after a change of the ticket: policy first, then an answer, the status, and the customer's word. */
export function slaAfter(
  state: SlaState,
  rules: TicketRules,
  { before, after, said, policyEdited }: SlaMove,
  now: Date,
): SlaState {
  let next = withKnownCalendar(state, rules);
  const from = calendarById(next.calendar_id, rules);
  if (policyEdited || after.priority !== before.priority || !sameTags(before, after)) {
    const policy = choosePolicy(rules.policies, after);
    const to = calendarOf(policy, rules);
    next = policyChanged(next, { policy, priority: after.priority, from, to }, now);
  }
  const calendar = calendarById(next.calendar_id, rules);
  if (said === 'agent') next = agentReplied(next, calendar, now);
  if (after.status !== before.status) next = statusChanged(next, calendar, after.status, now);
  if (said === 'customer') next = customerMessaged(next, calendar, now);
  return next;
}

function sameTags(before: PolicyFacts, after: PolicyFacts): boolean {
  return before.tags.join('\n') === after.tags.join('\n');
}

function calendarOf(policy: SlaPolicy | null, rules: TicketRules): BusinessCalendar | null {
  return calendarById(policy?.calendar_id ?? null, rules);
}

function calendarById(id: string | null, rules: TicketRules): BusinessCalendar | null {
  return id === null ? null : (rules.calendars.get(id) ?? null);
}

/** Where a calendar has been deleted, the time since is counted round the clock. */
function withKnownCalendar(state: SlaState, rules: TicketRules): SlaState {
  const known = state.calendar_id === null || rules.calendars.has(state.calendar_id);
  return known ? state : { ...state, calendar_id: null };
}
