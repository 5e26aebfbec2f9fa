import { z } from 'zod';
import type { DescribedRequest } from '../server.ts';
import type { Pace } from './mail-routes.ts';

// Several requests in one (https://learn.microsoft.com/graph/json-batching).

const MOST_PARTS = 20;
const MOST_BYTES = 4 * 1024 * 1024;
/** https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits-for-json-batching */
const PARTS_AT_ONCE = 4;
/** What Outlook has not answered by then is answered for it. */
const GATEWAY_MS = 5_000;

const BatchPart = z.strictObject({
  id: z.string().min(1),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  url: z.string().regex(/^\/?[^/:?]+([/?]|$)/, 'wants an address below the version, such as /me'),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.union([z.record(z.string(), z.unknown()), z.string()]).optional(),
  dependsOn: z.array(z.string()).optional(),
});
type BatchPart = z.infer<typeof BatchPart>;

const Batch = z.strictObject({ requests: z.array(BatchPart).min(1) });

export interface PartAnswer {
  readonly id: string;
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

export interface BatchTraits {
  /** Off: `/$batch` is answered as a cloud, or a proxy, would that has none. */
  isOn: boolean;
  /** How MIME comes within JSON: in base64, as what is no JSON does, or as OData has it for `text/plain`. */
  mime: 'base64' | 'text';
  /** At which each part's MIME comes; the answer of the whole has a pace of its own. */
  readonly pace: Pace;
}

/** The parts of a batch, or why Graph refuses the whole, in plain words. */
export function batchOf(body: Buffer): readonly BatchPart[] | string {
  if (body.length > MOST_BYTES) return 'The batch is larger than 4 MB.';
  const batch = Batch.safeParse(jsonOf(body));
  if (!batch.success) {
    const { path, message } = batch.error.issues[0]!;
    return `Invalid batch payload: ${path.join('/')}: ${message}.`;
  }
  const { requests } = batch.data;
  return problemOf(requests) ?? requests;
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return null;
  }
}

/** A part as if it were asked for by itself. */
export function describedPart({ method, url, headers = {}, body }: BatchPart): DescribedRequest {
  const { pathname, searchParams } = new URL(versioned(url), 'http://vendor');
  return {
    method,
    path: pathname,
    query: searchParams,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    body: body === undefined ? Buffer.alloc(0) : Buffer.from(bodyBytes(body)),
  };
}

const versioned = (url: string) => `/v1.0/${url.replace(/^\//, '')}`;

function problemOf(parts: readonly BatchPart[]): string | null {
  if (parts.length > MOST_PARTS)
    return `Number of requests inside batch exceed the limit: ${parts.length} of ${MOST_PARTS}.`;
  const ids = new Set(parts.map(({ id }) => id.toLowerCase()));
  if (ids.size < parts.length) return 'Request ids must be unique within the batch.';
  for (const [n, { id, method, body, headers, dependsOn = [] }] of parts.entries()) {
    const before = parts.slice(0, n).map((part) => part.id);
    const unknown = dependsOn.find((one) => !before.includes(one));
    if (unknown !== undefined)
      return `Request ${id} depends on ${unknown}, which is not before it.`;
    if (method === 'GET' && body !== undefined) return `Request ${id} may not have a body.`;
    const isTyped = Object.keys(headers ?? {}).some((name) => /^content-type$/i.test(name));
    if (body !== undefined && !isTyped) return `Request ${id} has a body without a Content-Type.`;
  }
  return null;
}

/** Does each part by itself, four at once, one after those that it depends on. @returns in no order to rely on */
export async function doParts(
  parts: readonly BatchPart[],
  ask: (part: BatchPart) => Promise<PartAnswer>,
): Promise<PartAnswer[]> {
  const answers = new Map<string, PartAnswer>();
  const waiting = [...parts];
  const lane = async () => {
    for (let part = nextOf(waiting, answers); part; part = nextOf(waiting, answers)) {
      const failed = part.dependsOn?.some((id) => answers.get(id)!.status >= 400);
      answers.set(part.id, failed ? failedDependency(part) : await ask(part));
    }
  };
  // A lane ends where all that is left waits for another lane's.
  while (answers.size < parts.length)
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, lane));
  return [...answers.values()].toReversed();
}

function nextOf(
  waiting: BatchPart[],
  answers: ReadonlyMap<string, PartAnswer>,
): BatchPart | undefined {
  const at = waiting.findIndex(({ dependsOn = [] }) => dependsOn.every((id) => answers.has(id)));
  return at === -1 ? undefined : waiting.splice(at, 1)[0];
}

function failedDependency({ id }: BatchPart): PartAnswer {
  return errorAnswer(id, 424, 'FailedDependency', 'A request that this one depends on failed.');
}

function errorAnswer(id: string, status: number, code: string, message: string): PartAnswer {
  return {
    id,
    status,
    headers: { 'Content-Type': 'application/json' },
    body: { error: { code, message } },
  };
}

/** One part, asked of `base` with the token of the whole. */
export async function askPart(
  base: string,
  { id, method, url, headers = {}, body }: BatchPart,
  authorization: string,
  mime: BatchTraits['mime'],
): Promise<PartAnswer> {
  try {
    const answer = await fetch(`${base}${versioned(url)}`, {
      method,
      headers: { authorization, ...headers },
      ...(body !== undefined && { body: bodyBytes(body) }),
      signal: AbortSignal.timeout(GATEWAY_MS),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { id, status: answer.status, headers: toldOf(answer), ...inJson(answer, bytes, mime) };
  } catch {
    return errorAnswer(id, 504, 'UnknownError', 'The service behind did not answer.');
  }
}

function bodyBytes(body: object | string): string | Buffer {
  return typeof body === 'string' ? Buffer.from(body, 'base64url') : JSON.stringify(body);
}

const TOLD = { 'content-type': 'Content-Type', 'retry-after': 'Retry-After' };

function toldOf({ headers }: globalThis.Response): Record<string, string> {
  return Object.fromEntries(
    Object.entries(TOLD).flatMap(([name, spelt]) => {
      const value = headers.get(name);
      return value === null ? [] : [[spelt, value]];
    }),
  );
}

/** What is no JSON comes in base64. */
function inJson(
  { headers }: globalThis.Response,
  bytes: Buffer,
  mime: BatchTraits['mime'],
): { body?: unknown } {
  if (bytes.length === 0) return {};
  const type = headers.get('content-type') ?? '';
  if (/^application\/json\b/.test(type)) return { body: JSON.parse(bytes.toString()) as unknown };
  const isText = type.startsWith('text/') && mime === 'text';
  return { body: isText ? bytes.toString() : bytes.toString('base64') };
}
