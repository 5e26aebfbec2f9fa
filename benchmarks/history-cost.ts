import type { WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';

/** What a workflow left behind: its events, and the actions that Temporal Cloud would bill. */
export interface Cost {
  readonly events: number;
  readonly actions: number;
}

const { EventType } = proto.temporal.api.enums.v1;

/** https://docs.temporal.io/cloud/actions; a retry of an activity is one more, and is added from its last start. */
const BILLED: readonly number[] = [
  EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
  EventType.EVENT_TYPE_TIMER_STARTED,
  EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
  EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
  EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
];

export async function costOf(workflow: WorkflowHandle): Promise<Cost> {
  const { events = [] } = await workflow.fetchHistory();
  let actions = 0;
  let markedBy: string | null = null;
  for (const event of events ?? []) {
    if (BILLED.includes(event.eventType ?? 0)) actions += 1;
    const started = event.activityTaskStartedEventAttributes;
    if (started) actions += started.attempt ?? 1;
    const marker = event.markerRecordedEventAttributes;
    const task = String(marker?.workflowTaskCompletedEventId ?? '');
    // Local activities are billed once for each workflow task that ran any.
    if (marker && task !== markedBy) actions += 1;
    if (marker) markedBy = task;
  }
  return { events: events?.length ?? 0, actions };
}
