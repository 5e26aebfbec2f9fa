import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type protobuf from '@temporalio/proto';
import { payloadsOf, type RecordedWorkflow } from '../harness/histories.ts';

type IHistory = protobuf.temporal.api.history.v1.IHistory;

/** What a history file holds: the workflow's id, which replay needs, and the events. */
export interface HistoryFile {
  readonly workflowId: string;
  readonly history: unknown;
}

/** A history as it is committed: readable, and without what tells of the machine it was recorded on. */
export function historyText({ workflowId }: RecordedWorkflow, history: IHistory): string {
  for (const { payload } of payloadsOf(history)) withoutStack(payload);
  const json: unknown = JSON.parse(historyToJSON(history), (name, value: unknown) =>
    name === 'identity' ? 'recorder' : value,
  );
  const file: HistoryFile = { workflowId, history: json };
  return `${JSON.stringify(file, null, 1)}\n`;
}

/** Stacks of failures name the recorder's folders. */
function withoutStack(payload: { data?: Uint8Array | null }): void {
  const text = Buffer.from(payload.data ?? []).toString();
  if (!text.includes('"stack_trace"')) return;
  const failure = JSON.parse(text) as Record<string, unknown>;
  payload.data = Buffer.from(JSON.stringify({ ...failure, stack_trace: '' }));
}
