import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProviderFailure } from '../../domain/failure.ts';
import { withHeartbeats } from '../heartbeats.ts';
import type { Graph } from './client.ts';
import { failure, networkFailure, retryAfter } from './failure.ts';

/** Ranges up to 4 MB are taken. */
const RANGE_BYTES = 3 * 1024 * 1024;
/** Of one file. */
const MOST_BYTES = 150 * 1024 * 1024;
const PAUSE_MS = 300;

export interface UploadItem {
  readonly name: string;
  readonly contentType: string;
  readonly size: number;
  readonly isInline: boolean;
  readonly contentId?: string;
}

/**
 * A file, attached in ranges as it is read (https://learn.microsoft.com/graph/outlook-large-attachments). A range
 * whose answer was lost is not sent twice: the session says what it expects next. @throws ProviderFailure
 */
export async function upload(
  graph: Graph,
  attachments: string,
  item: UploadItem,
  content: Readable,
): Promise<void> {
  if (item.size > MOST_BYTES)
    throw failure(
      'too_large',
      'give_up',
      'A file is larger than the 150 MB that Microsoft 365 takes.',
    );
  const { uploadUrl } = await graph.ask<{ uploadUrl: string }>({
    method: 'POST',
    path: `${attachments}/createUploadSession`,
    body: { AttachmentItem: { attachmentType: 'file', ...item } },
    permission: 'Mail.ReadWrite',
  });
  let from = 0;
  for await (const range of ranges(content)) {
    await send(graph, uploadUrl, range, from, item.size);
    from += range.length;
  }
}

async function* ranges(content: Readable): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    held.push(chunk);
    bytes += chunk.length;
    while (bytes >= RANGE_BYTES) {
      const all = Buffer.concat(held);
      yield all.subarray(0, RANGE_BYTES);
      held = [all.subarray(RANGE_BYTES)];
      bytes -= RANGE_BYTES;
    }
  }
  if (bytes > 0) yield Buffer.concat(held);
}

async function send(
  graph: Graph,
  url: string,
  range: Buffer,
  from: number,
  total: number,
): Promise<void> {
  const end = from + range.length;
  for (let tries = 1; ; tries += 1) {
    try {
      await putRange(graph, url, range, from, total);
      return;
    } catch (error) {
      graph.call.signal.throwIfAborted();
      // The whole draft is made anew then.
      if (tries > graph.call.settings.max_retries) throw error;
      await sleep(Math.max(PAUSE_MS * tries, waitOf(error)), undefined, {
        signal: graph.call.signal,
      });
      if ((await expectedNext(graph, url)) === end) return;
    }
  }
}

function waitOf(error: unknown): number {
  return (error as Partial<ProviderFailure>).retryAfterMs ?? 0; // any error may come
}

async function putRange(
  graph: Graph,
  url: string,
  range: Buffer,
  from: number,
  total: number,
): Promise<void> {
  const answer = await request(graph, url, {
    method: 'PUT',
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Range': `bytes ${from}-${from + range.length - 1}/${total}`,
    },
    body: range,
  });
  await answer.body?.cancel();
  if (answer.ok) return;
  const { status } = answer;
  const retryAfterMs = retryAfter(answer.headers.get('retry-after'));
  throw failure(
    'upload_failed',
    status === 413 ? 'give_up' : status === 429 ? 'wait' : 'retry',
    `Microsoft 365 did not take a part of a file (${status}).`,
    { status, ...(retryAfterMs !== undefined && { retryAfterMs }) },
  );
}

/** Null where the session doesn't tell: it may be complete, or over. */
async function expectedNext(graph: Graph, url: string): Promise<number | null> {
  try {
    const answer = await request(graph, url, { method: 'GET' });
    const told = (await answer.json()) as { nextExpectedRanges?: readonly string[] }; // of any status
    const next = Number.parseInt(told.nextExpectedRanges?.[0] ?? '', 10);
    return Number.isNaN(next) ? null : next;
  } catch {
    return null; // asked again with the next try
  }
}

/** Without a token: the address carries its own. */
async function request(
  { call }: Graph,
  url: string,
  init: { method: string; headers?: Record<string, string>; body?: Buffer },
): Promise<Response> {
  try {
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(call.timeoutMs)]);
    return await withHeartbeats(call, () => call.network.fetch(url, { ...init, signal }));
  } catch (error) {
    call.signal.throwIfAborted();
    throw networkFailure(error, url);
  }
}
