/** Makes first attempts in batches, for endpoints in the stream gear; always there. */
export const webhookDispatcherWorkflowType = 'webhookDispatcher';

/** One serves many endpoints. */
export const DISPATCHERS = [0] as const;

export function webhookDispatcherWorkflowId(place: number): string {
  return `dispatcher/${place}`;
}

/** What one turn of some hours did; ids, counts and times only. */
export interface DispatchReport {
  readonly delivered: number;
  /** Handed to a workflow of their own after a failed attempt. */
  readonly handedOver: number;
  readonly givenUp: number;
}

/** What the pending activity's heartbeat shows. */
export interface DispatchState extends DispatchReport {
  readonly endpoints: readonly {
    readonly endpoint: string;
    readonly held: number;
    readonly underWay: number;
    readonly pausedUntil: string | null;
  }[];
}
