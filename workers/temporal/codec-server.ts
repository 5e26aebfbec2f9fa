import type { IncomingMessage, ServerResponse } from 'node:http';
import { timingSafeEqual } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import type { KeyRing } from '../../security/key-ring.ts';
import { SealingCodec } from './codec.ts';

const MAX_BODY_BYTES = 8 * 1_048_576;

/** The last part of the codec's address: who knows it may read payloads. It changes with the master key. */
export function codecToken(keys: KeyRing): string {
  return keys.derive('codec-server').toString('hex').slice(0, 40);
}

/**
 * What the Temporal UI and CLI ask to read payloads: `POST /<token>/decode` and `/encode`, as Temporal's codec server
 * protocol says. Answers browsers from the UI's own origin alone.
 */
export function createCodecHandler(
  keys: KeyRing,
  uiUrl: string,
): (req: IncomingMessage, res: ServerResponse) => void {
  const codec = new SealingCodec(keys);
  const token = Buffer.from(codecToken(keys));
  const origins = originsOf(uiUrl);
  return (req, res) => {
    const origin = req.headers.origin;
    if (origin !== undefined && origins.has(origin)) {
      res.setHeader('access-control-allow-origin', origin);
      res.setHeader('access-control-allow-headers', 'content-type,x-namespace,authorization');
      res.setHeader('access-control-allow-methods', 'POST,OPTIONS');
      res.setHeader('vary', 'origin');
    }
    // The page of the UI may name the codec though it is served from elsewhere.
    res.setHeader('cross-origin-resource-policy', 'cross-origin');
    if (req.method === 'OPTIONS') return void res.writeHead(204).end();
    const [given = '', action] = (req.url ?? '').split('?')[0]!.replace(/^\/+/, '').split('/');
    const known = Buffer.from(given);
    if (known.length !== token.length || !timingSafeEqual(known, token))
      return void res.writeHead(404).end();
    if (req.method !== 'POST' || (action !== 'decode' && action !== 'encode'))
      return void res.writeHead(405).end();
    void answer(codec, action, req, res);
  };
}

async function answer(
  codec: SealingCodec,
  action: 'decode' | 'encode',
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  try {
    const { payloads = [] } = (await readJson(req)) as { payloads?: WirePayload[] };
    const answered = await codec[action](payloads.map(fromWire));
    res
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ payloads: answered.map(toWire) }));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    res
      .writeHead(400, { 'content-type': 'text/plain' })
      .end(`The payloads can't be read: ${detail}`);
  }
}

/** A Payload in proto3 JSON: bytes in base64. */
interface WirePayload {
  metadata?: Record<string, string>;
  data?: string;
}

function fromWire({ metadata, data }: WirePayload): Payload {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
    ),
    data: Buffer.from(data ?? '', 'base64'),
  };
}

function toWire({ metadata, data }: Payload): WirePayload {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, value]) => [
        name,
        Buffer.from(value).toString('base64'),
      ]),
    ),
    data: Buffer.from(data ?? []).toString('base64'),
  };
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the request is too large');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
}

/** `localhost` and `127.0.0.1` are the same machine, and the UI is opened under both. */
function originsOf(uiUrl: string): Set<string> {
  const url = new URL(uiUrl);
  const hosts = ['localhost', '127.0.0.1'].includes(url.hostname)
    ? ['localhost', '127.0.0.1']
    : [url.hostname];
  return new Set(hosts.map((host) => `${url.protocol}//${host}${url.port ? `:${url.port}` : ''}`));
}
