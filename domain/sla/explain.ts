import { SLA_METRICS, type Instant, type MetricClock, type SlaState } from './state.ts';
import { nextWake } from './wake.ts';

const NAMES = {
  first_response: 'first response',
  next_response: 'next response',
  resolution: 'resolution',
} as const;

/**
 * The state in a sentence for whoever looks at the workflow, such as "First response met
 * 2026-11-20 13:40 UTC; resolution due 2026-11-24 09:00 UTC; escalation level 1." Times are UTC,
 * to the minute, seconds only where they are not zero.
 */
export function explainSla(state: SlaState): string {
  if (state.policy_id === null) return 'No SLA policy applies.';
  const parts = SLA_METRICS.flatMap((metric) => {
    const clock = state[metric];
    return clock && clock.target_ms !== null ? [`${NAMES[metric]} ${standing(clock, state)}`] : [];
  });
  if (parts.length === 0) parts.push('no target at this priority');
  if (state.paused_since) parts.push(`paused since ${time(state.paused_since)}`);
  if (state.escalation_level > 0) parts.push(`escalation level ${state.escalation_level}`);
  parts.push(...waiting(state));
  return `${capitalized(parts.join('; '))}.`;
}

function standing(clock: MetricClock, state: SlaState): string {
  const breach = clock.breached_at ? `breached ${time(clock.breached_at)}` : null;
  if (clock.met_at)
    return breach ? `${breach}, met ${time(clock.met_at)}` : `met ${time(clock.met_at)}`;
  if (breach) return breach;
  if (clock.due_at) return `due ${time(clock.due_at)}`;
  const left = `${duration((clock.target_ms ?? 0) - clock.consumed_ms)} left`;
  return state.phase === 'stopped' ? `stopped with ${left}` : `waits with ${left}`;
}

/** What the timer is for, where that is not a deadline already named. */
function waiting(state: SlaState): string[] {
  const wake = nextWake(state);
  if (wake === null) return state.phase === 'running' ? ['nothing more to wait for'] : [];
  const named = SLA_METRICS.some((metric) => state[metric]?.due_at === wake);
  return named ? [] : [`next wake ${time(wake)}`];
}

function time(at: Instant): string {
  const [date, clock] = at.split('T');
  const [hour, minute, second] = clock!.slice(0, 8).split(':');
  return `${date} ${hour}:${minute}${second === '00' ? '' : `:${second}`} UTC`;
}

function duration(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  const hours = Math.floor(minutes / 60);
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
