import type { TicketSla } from '../ticket.ts';
import type { MetricClock, SlaState } from './state.ts';

type PresentedMetric = NonNullable<TicketSla['resolution']>;

/**
 * A ticket's `sla` as the API shows it; null without a policy. A metric without a target is null.
 * `due_at` is null while the ticket is paused or stopped before its breach: it depends on the
 * length of the pause.
 */
export function presentSla(state: SlaState): TicketSla | null {
  if (state.policy_id === null) return null;
  return {
    policy_id: state.policy_id,
    first_response: presentMetric(state.first_response),
    next_response: presentMetric(state.next_response),
    resolution: presentMetric(state.resolution),
    paused_since: state.paused_since,
    escalation_level: state.escalation_level,
  };
}

function presentMetric(clock: MetricClock | null): PresentedMetric | null {
  if (clock === null || clock.target_ms === null) return null;
  return { due_at: clock.due_at, met_at: clock.met_at, breached: clock.breached };
}
