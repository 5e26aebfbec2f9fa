/** An instant as `Date.toISOString` writes it. */
export type Instant = string;

export const SLA_METRICS = ['first_response', 'next_response', 'resolution'] as const;
export type SlaMetric = (typeof SLA_METRICS)[number];

/** One promise's clock. Plain JSON: it travels through workflow history and the database. */
export interface MetricClock {
  /** 1 for the first; each new wait of the customer for a next response is a round of its own. */
  round: number;
  /** Business milliseconds promised; null where the policy sets no target and time is only counted. */
  target_ms: number | null;
  started_at: Instant;
  /** Business milliseconds counted before `running_since`. */
  consumed_ms: number;
  /** Null while the ticket is paused or stopped, and once the promise is met. */
  running_since: Instant | null;
  /** Null while it can't be known: paused before the breach, or without a target. */
  due_at: Instant | null;
  met_at: Instant | null;
  breached: boolean;
  breached_at: Instant | null;
  /** Business milliseconds counted when it was breached: escalations count from here. */
  breached_after_ms: number | null;
  /** Percentages that were reached. */
  warned: number[];
  /** Percentages still to come, while the clock runs. */
  warn_at: { percent: number; at: Instant }[];
}

/** The part of a policy that a ticket's clocks need, as it was when they were set: numbers alone. */
export interface SlaPlan {
  targets_ms: Record<SlaMetric, number | null>;
  warn_at_percent: number[];
  escalations: { level: number; metric: SlaMetric | 'any'; after_ms: number }[];
}

/**
 * A ticket's SLA. Its times are recorded, never recomputed by the one who waits for them: the
 * calendar arithmetic happens in a transition, and `wake.ts` only compares instants.
 */
export interface SlaState {
  policy_id: string | null;
  /** The calendar that every recorded instant was computed with. */
  calendar_id: string | null;
  plan: SlaPlan;
  /** `paused`: pending or on hold. `stopped`: resolved, closed or spam. Neither has a timer. */
  phase: 'running' | 'paused' | 'stopped';
  paused_since: Instant | null;
  /** The last change; one dated earlier counts as made at this instant. */
  as_of: Instant;
  first_response: MetricClock | null;
  next_response: MetricClock | null;
  resolution: MetricClock | null;
  /** Escalations still to come, while the clocks run. */
  escalations_due: { level: number; metric: SlaMetric; at: Instant }[];
  /** Levels reached; a level is reached once in a ticket's life. */
  escalated: number[];
  /** The highest level reached, 0 for none. */
  escalation_level: number;
  /** What has come due and still has to be announced. */
  owed: Occurrence[];
}

/** Something that happens once, at its time. */
export type Occurrence =
  | (OccurrenceOfClock & { type: 'warning'; percent: number })
  | (OccurrenceOfClock & { type: 'breach' })
  | (OccurrenceOfClock & { type: 'escalation'; level: number; policy_id: string | null });

interface OccurrenceOfClock {
  metric: SlaMetric;
  round: number;
  /** When it came due; the announcement may be later. */
  at: Instant;
  due_at: Instant;
}
