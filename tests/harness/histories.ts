import type { Client } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';
import protobuf from '@temporalio/proto';

type IHistory = protobuf.temporal.api.history.v1.IHistory;
const History = protobuf.temporal.api.history.v1.History;

export interface RecordedWorkflow {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  /** As the server holds it: payloads sealed. */
  readonly history: IHistory;
  /** The server's own description: memo, search attributes, status. */
  readonly description: unknown;
}

/** Every run of every workflow of the client's namespace. */
export async function recordedWorkflows(client: Client): Promise<RecordedWorkflow[]> {
  const recorded: RecordedWorkflow[] = [];
  for await (const { workflowId, runId, type, raw } of client.workflow.list()) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    recorded.push({ workflowId, runId, type, history, description: raw });
  }
  return recorded;
}

/** What the server stores of a history, as bytes. */
export function bytesOf(history: IHistory): Buffer {
  return Buffer.from(History.encode(history).finish());
}

export interface FoundPayload {
  /** Names of the fields that lead to it. */
  readonly path: readonly string[];
  readonly payload: Payload;
}

/** Every payload anywhere in a history, failures, summaries, headers and markers included. */
export function payloadsOf(value: unknown, path: readonly string[] = []): FoundPayload[] {
  if (isPayload(value)) return [{ path, payload: value }];
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([name, inner]) => payloadsOf(inner, [...path, name]));
}

/** A copy of a history whose payloads are opened, so that it can be read, and replayed, without the key. */
export async function opened(history: IHistory, codec: PayloadCodec): Promise<IHistory> {
  const copy = History.decode(bytesOf(history));
  for (const { payload } of payloadsOf(copy)) {
    const [plain] = await codec.decode([payload]);
    payload.metadata = plain!.metadata;
    payload.data = plain!.data;
  }
  return copy;
}

function isPayload(value: unknown): value is { -readonly [K in keyof Payload]: Payload[K] } {
  if (typeof value !== 'object' || value === null) return false;
  return 'metadata' in value && 'data' in value && value.data instanceof Uint8Array;
}
