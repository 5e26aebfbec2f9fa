/**
 * The transitions of a ticket's SLA: pure functions from one `SlaState` to the next.
 *
 * Each does the same three steps: settle what has come due, halt the running clocks (count their
 * business time), change what the event changes, and schedule anew from the time that is left.
 * Which messages count is the caller's choice: auto-replies, bounces and internal notes neither
 * start nor meet a promise, so for them nothing here is called.
 */
import { assertNever } from '../assert-never.ts';
import type { TicketPriority, TicketStatus } from '../ticket.ts';
import type { SlaPolicy } from './policy.ts';
import { halted, isOpen, scheduled, type Calendar } from './schedule.ts';
import {
  SLA_METRICS,
  type Instant,
  type MetricClock,
  type SlaPlan,
  type SlaState,
} from './state.ts';
import { settled } from './wake.ts';

const MINUTE_MS = 60_000;

export interface StartFacts {
  priority: TicketPriority;
  /**
   * Whose answer the customer waits for: `first_response` where the customer wrote first (default),
   * `next_response` where an agent has answered before, null where an agent opened the ticket.
   */
  awaiting?: 'first_response' | 'next_response' | null;
}

/**
 * The SLA of an open ticket from `now` on. Without a policy time is counted round the clock and
 * nothing falls due, so that a policy can be applied later.
 * Throws CalendarError when a target can't be reached within five years of the calendar.
 */
export function startSla(
  policy: SlaPolicy | null,
  calendar: Calendar,
  facts: StartFacts,
  now: Date,
): SlaState {
  expectCalendarOf(policy, calendar);
  const at = now.toISOString();
  const awaiting = facts.awaiting === undefined ? 'first_response' : facts.awaiting;
  const state: SlaState = {
    policy_id: policy?.id ?? null,
    calendar_id: calendar?.id ?? null,
    plan: planOf(policy, facts.priority),
    phase: 'running',
    paused_since: null,
    as_of: at,
    first_response: awaiting === 'first_response' ? newClock(1, at) : null,
    next_response: awaiting === 'next_response' ? newClock(1, at) : null,
    resolution: newClock(1, at),
    escalations_due: [],
    escalated: [],
    escalation_level: 0,
    owed: [],
  };
  return scheduled(state, calendar, now);
}

/** The customer wrote: opens a next-response round, unless an answer is awaited already. */
export function customerMessaged(state: SlaState, calendar: Calendar, now: Date): SlaState {
  return transition(state, calendar, now, (next, at) => {
    const round = (next.next_response?.round ?? 0) + 1;
    if (isOpen(next.first_response) || isOpen(next.next_response)) return;
    next.next_response = newClock(round, at);
  });
}

/** An agent's public reply: meets the first and the next response. */
export function agentReplied(state: SlaState, calendar: Calendar, now: Date): SlaState {
  return transition(state, calendar, now, (next, at) => {
    meet(next.first_response, at);
    meet(next.next_response, at);
  });
}

/** Pending or on hold: no clock runs and no timer is set until `resumed`. */
export function paused(state: SlaState, calendar: Calendar, now: Date): SlaState {
  return transition(state, calendar, now, (next, at) => {
    unresolve(next);
    next.phase = 'paused';
    next.paused_since ??= at;
  });
}

/** Open again after a pause: every clock goes on with the business time that it had left. */
export function resumed(state: SlaState, calendar: Calendar, now: Date): SlaState {
  return transition(state, calendar, now, (next) => {
    unresolve(next);
    next.phase = 'running';
    next.paused_since = null;
  });
}

/**
 * Resolved or closed: meets the resolution, and the answers still awaited, since resolving is
 * the agent's answer to them.
 */
export function resolved(state: SlaState, calendar: Calendar, now: Date): SlaState {
  return transition(state, calendar, now, (next, at) => {
    for (const metric of SLA_METRICS) meet(next[metric], at);
    next.phase = 'stopped';
    next.paused_since = null;
  });
}

/**
 * Open after it was resolved: the resolution goes on with the time it had left, without the time
 * it was resolved; warnings, breaches and levels that it had are not repeated.
 */
export function reopened(state: SlaState, calendar: Calendar, now: Date): SlaState {
  return resumed(state, calendar, now);
}

/** Spam: everything stops, nothing is met, and what was not yet announced never will be. */
export function markedSpam(state: SlaState, calendar: Calendar, now: Date): SlaState {
  return transition(state, calendar, now, (next) => {
    next.phase = 'stopped';
    next.paused_since = null;
    next.owed = [];
  });
}

/** The transition that belongs to a ticket's new status. */
export function statusChanged(
  state: SlaState,
  calendar: Calendar,
  status: TicketStatus,
  now: Date,
): SlaState {
  switch (status) {
    case 'open':
      return resumed(state, calendar, now);
    case 'pending':
    case 'on_hold':
      return paused(state, calendar, now);
    case 'resolved':
    case 'closed':
      return resolved(state, calendar, now);
    case 'spam':
      return markedSpam(state, calendar, now);
    default:
      return assertNever(status);
  }
}

/** The ticket's priority changed under the same policy. See `policyChanged`. */
export function priorityChanged(
  state: SlaState,
  policy: SlaPolicy | null,
  calendar: Calendar,
  priority: TicketPriority,
  now: Date,
): SlaState {
  return policyChanged(state, { policy, priority, from: calendar, to: calendar }, now);
}

/**
 * Another policy, another calendar, or new figures in either. Business time already counted is
 * kept: up to `now` by the calendar `from`, afterwards by `to` (the same one where it was edited
 * in place). Promises met or breached stay as they were, levels reached stay reached; the others
 * get the new targets, and where more than that has passed already they fall due at `now`.
 */
export function policyChanged(
  state: SlaState,
  change: { policy: SlaPolicy | null; priority: TicketPriority; from: Calendar; to: Calendar },
  now: Date,
): SlaState {
  const { policy, priority, from, to } = change;
  expectCalendarOf(policy, to);
  const counting = state.policy_id === null ? to : from;
  if (state.policy_id !== null) expectCalendar(state, from);
  const at = notBefore(state, now);
  const next = halted(settled(state, at), counting, at);
  next.policy_id = policy?.id ?? null;
  next.calendar_id = to?.id ?? null;
  next.plan = planOf(policy, priority);
  return scheduled(next, to, at);
}

/**
 * Tries a policy on its calendar for every priority: throws CalendarError where a target or an
 * escalation can't be reached. For the moment a policy or calendar is saved, so that no ticket
 * has to find out.
 */
export function expectReachable(policy: SlaPolicy, calendar: Calendar, now: Date): void {
  for (const priority of ['low', 'normal', 'high', 'urgent'] as const) {
    startSla(policy, calendar, { priority, awaiting: 'first_response' }, now);
    startSla(policy, calendar, { priority, awaiting: 'next_response' }, now);
  }
}

function transition(
  state: SlaState,
  calendar: Calendar,
  now: Date,
  change: (next: SlaState, at: Instant) => void,
): SlaState {
  expectCalendar(state, calendar);
  const at = notBefore(state, now);
  const next = halted(settled(state, at), calendar, at);
  change(next, at.toISOString());
  return scheduled(next, calendar, at);
}

function newClock(round: number, started_at: Instant): MetricClock {
  return {
    round,
    target_ms: null,
    started_at,
    consumed_ms: 0,
    running_since: null,
    due_at: null,
    met_at: null,
    breached: false,
    breached_at: null,
    breached_after_ms: null,
    warned: [],
    warn_at: [],
  };
}

function planOf(policy: SlaPolicy | null, priority: TicketPriority): SlaPlan {
  const targets = policy?.targets[priority];
  return {
    targets_ms: {
      first_response: inMs(targets?.first_response_minutes),
      next_response: inMs(targets?.next_response_minutes),
      resolution: inMs(targets?.resolution_minutes),
    },
    warn_at_percent: policy?.warn_at_percent ?? [],
    escalations: (policy?.escalations ?? []).map(({ level, metric, after_minutes }) => ({
      level,
      metric,
      after_ms: Math.ceil(after_minutes * MINUTE_MS),
    })),
  };
}

function inMs(minutes: number | undefined): number | null {
  return minutes === undefined ? null : Math.ceil(minutes * MINUTE_MS);
}

function meet(clock: MetricClock | null, at: Instant): void {
  if (isOpen(clock)) clock.met_at = at;
}

function unresolve(state: SlaState): void {
  if (state.resolution) state.resolution.met_at = null;
}

/** Clocks of two machines differ: what is dated before the last change counts as made just then. */
function notBefore(state: SlaState, now: Date): Date {
  return new Date(Math.max(now.getTime(), Date.parse(state.as_of)));
}

function expectCalendar(state: SlaState, calendar: Calendar): void {
  const given = calendar?.id ?? null;
  if (given === state.calendar_id) return;
  throw new Error(
    `this SLA was computed with calendar ${state.calendar_id ?? 'none'} but got ${given ?? 'none'}; ` +
      'to change the calendar use policyChanged',
  );
}

function expectCalendarOf(policy: SlaPolicy | null, calendar: Calendar): void {
  if ((policy?.calendar_id ?? null) === null ? calendar === null : calendar !== null) return;
  throw new Error(
    policy?.calendar_id
      ? `SLA policy ${policy.id} counts by calendar ${policy.calendar_id}; pass that calendar`
      : 'an SLA without a calendar counts round the clock; pass no calendar',
  );
}
