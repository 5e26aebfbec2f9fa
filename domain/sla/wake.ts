/**
 * The part of a ticket's SLA that workflow code runs: it compares recorded instants and nothing
 * else, and imports neither calendar, time zones nor schemas, so that it replays for ever.
 */
import {
  SLA_METRICS,
  type Instant,
  type MetricClock,
  type Occurrence,
  type SlaState,
} from './state.ts';

/**
 * When to wake next, or null for never: a paused or stopped ticket has no timer. Where something
 * has come due already and is not yet announced, its instant, which lies in the past.
 */
export function nextWake(state: SlaState): Instant | null {
  return state.owed[0]?.at ?? upcoming(state)[0]?.at ?? null;
}

/** All that has come due by `now` and is not yet announced, oldest first. Never early. */
export function due(state: SlaState, now: Date): Occurrence[] {
  return settled(state, now).owed;
}

/** The state after these occurrences were announced. Applying one twice changes nothing. */
export function applied(state: SlaState, occurrences: readonly Occurrence[], now: Date): SlaState {
  const after = settled(state, now);
  const announced = new Set(occurrences.map(occurrenceKey));
  return { ...after, owed: after.owed.filter((one) => !announced.has(occurrenceKey(one))) };
}

/** Unique within a ticket: the key that makes an announcement idempotent. */
export function occurrenceKey(occurrence: Occurrence): string {
  switch (occurrence.type) {
    case 'warning':
      return `${occurrence.metric}/${occurrence.round}/warning/${occurrence.percent}`;
    case 'breach':
      return `${occurrence.metric}/${occurrence.round}/breach`;
    case 'escalation':
      return `escalation/${occurrence.level}`;
  }
}

/**
 * The state with everything that came due by `now` moved to `owed`. Every transition begins here,
 * so that no pause, answer or change of policy can step over a breach that a late wake left.
 */
export function settled(state: SlaState, now: Date): SlaState {
  const until = now.getTime();
  const after = structureOf(state);
  for (const occurrence of upcoming(state)) {
    if (Date.parse(occurrence.at) > until) break;
    record(after, occurrence);
  }
  if (until > Date.parse(state.as_of)) after.as_of = now.toISOString();
  return after;
}

function record(state: SlaState, occurrence: Occurrence): void {
  const clock = state[occurrence.metric]!;
  switch (occurrence.type) {
    case 'warning':
      clock.warned.push(occurrence.percent);
      clock.warn_at = clock.warn_at.filter(({ percent }) => percent !== occurrence.percent);
      break;
    case 'breach':
      clock.breached = true;
      clock.breached_at = occurrence.at;
      clock.breached_after_ms = Math.max(clock.target_ms ?? 0, clock.consumed_ms);
      break;
    case 'escalation':
      if (state.escalated.includes(occurrence.level)) return;
      state.escalated.push(occurrence.level);
      state.escalation_level = Math.max(state.escalation_level, occurrence.level);
      state.escalations_due = state.escalations_due.filter((e) => e.level !== occurrence.level);
      break;
  }
  state.owed.push(occurrence);
}

/** All that is still to come if nothing else happens, in order. */
function upcoming(state: SlaState): Occurrence[] {
  const occurrences = SLA_METRICS.flatMap((metric) => {
    const clock = state[metric];
    if (!clock || clock.running_since === null || clock.due_at === null) return [];
    const common = { metric, round: clock.round, due_at: clock.due_at };
    return [
      ...clock.warn_at.map(({ percent, at }) => ({
        type: 'warning' as const,
        ...common,
        percent,
        at,
      })),
      ...breachOf(clock).map((at) => ({ type: 'breach' as const, ...common, at })),
      ...state.escalations_due
        .filter((step) => step.metric === metric)
        .map(({ level, at }) => ({
          type: 'escalation' as const,
          ...common,
          level,
          policy_id: state.policy_id,
          at,
        })),
    ];
  });
  return occurrences.sort(byTime);
}

function breachOf({ breached, due_at }: MetricClock): Instant[] {
  return breached || due_at === null ? [] : [due_at];
}

const TYPE_ORDER = { warning: 0, breach: 1, escalation: 2 } as const;

/** By instant; at the same instant warning before breach before escalation, lower before higher. */
function byTime(a: Occurrence, b: Occurrence): number {
  return (
    Date.parse(a.at) - Date.parse(b.at) ||
    TYPE_ORDER[a.type] - TYPE_ORDER[b.type] ||
    rank(a) - rank(b)
  );
}

function rank(occurrence: Occurrence): number {
  switch (occurrence.type) {
    case 'warning':
      return occurrence.percent;
    case 'breach':
      return 0;
    case 'escalation':
      return occurrence.level;
  }
}

/** A copy deep enough for `record` to write into. */
function structureOf(state: SlaState): SlaState {
  const copy = { ...state, escalated: [...state.escalated], owed: [...state.owed] };
  for (const metric of SLA_METRICS) {
    const clock = state[metric];
    copy[metric] = clock && { ...clock, warned: [...clock.warned] };
  }
  return copy;
}
