import { addBusinessTime, businessTimeBetween, type BusinessCalendar } from './calendar.ts';
import {
  SLA_METRICS,
  type Instant,
  type MetricClock,
  type SlaMetric,
  type SlaPlan,
  type SlaState,
} from './state.ts';

/** Null: round the clock. */
export type Calendar = BusinessCalendar | null;

/** A copy whose clocks stand still, their business time counted up to `at`. */
export function halted(state: SlaState, calendar: Calendar, at: Date): SlaState {
  const next = { ...state, escalations_due: [], owed: [...state.owed] };
  for (const metric of SLA_METRICS) {
    const clock = state[metric];
    next[metric] = clock && haltedClock(clock, calendar, at);
  }
  return next;
}

function haltedClock(clock: MetricClock, calendar: Calendar, at: Date): MetricClock {
  if (clock.running_since === null) return { ...clock };
  const run = businessTimeBetween(calendar, new Date(clock.running_since), at);
  return { ...clock, consumed_ms: clock.consumed_ms + run, running_since: null, warn_at: [] };
}

/** A copy whose open clocks run from `at`, where the phase lets them, with their instants recorded. */
export function scheduled(state: SlaState, calendar: Calendar, at: Date): SlaState {
  const next = { ...state, escalations_due: [...state.escalations_due] };
  for (const metric of SLA_METRICS) {
    const clock = state[metric];
    if (!isOpen(clock)) continue;
    const target_ms = clock.breached ? clock.target_ms : state.plan.targets_ms[metric];
    const current = { ...clock, target_ms };
    const runs = state.phase === 'running';
    next[metric] = runs
      ? runningClock(current, state.plan, calendar, at)
      : { ...current, due_at: clock.breached ? clock.due_at : null };
    if (runs) next.escalations_due.push(...escalationsOf(metric, current, state, calendar, at));
  }
  return next;
}

function runningClock(
  clock: MetricClock,
  plan: SlaPlan,
  calendar: Calendar,
  at: Date,
): MetricClock {
  const running = { ...clock, running_since: at.toISOString() };
  if (clock.breached) return running;
  const { target_ms } = clock;
  if (target_ms === null) return { ...running, due_at: null, warn_at: [] };
  return {
    ...running,
    due_at: whenCounted(clock, target_ms, calendar, at),
    warn_at: plan.warn_at_percent
      .filter((percent) => !clock.warned.includes(percent))
      .toSorted((a, b) => a - b)
      .map((percent) => ({
        percent,
        at: whenCounted(clock, Math.ceil((target_ms * percent) / 100), calendar, at),
      })),
  };
}

function escalationsOf(
  metric: SlaMetric,
  clock: MetricClock,
  { plan, escalated }: SlaState,
  calendar: Calendar,
  at: Date,
): SlaState['escalations_due'] {
  if (clock.target_ms === null) return [];
  const breach_ms = clock.breached_after_ms ?? Math.max(clock.target_ms, clock.consumed_ms);
  return plan.escalations
    .filter((step) => step.metric === metric || step.metric === 'any')
    .filter((step) => !escalated.includes(step.level))
    .map(({ level, after_ms }) => ({
      level,
      metric,
      at: whenCounted(clock, breach_ms + after_ms, calendar, at),
    }));
}

/** When a clock that runs from `at` will have counted `total_ms`; at once where it has already. */
function whenCounted(clock: MetricClock, total_ms: number, calendar: Calendar, at: Date): Instant {
  const left = Math.max(0, total_ms - clock.consumed_ms);
  return addBusinessTime(calendar, at, left).toISOString();
}

/** Started and not yet met. */
export function isOpen(clock: MetricClock | null): clock is MetricClock {
  return clock !== null && clock.met_at === null;
}
