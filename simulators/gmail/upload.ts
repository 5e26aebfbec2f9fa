import type { Request } from 'express';
import { rawBody } from '../server.ts';

export interface Upload {
  readonly threadId: string | null;
  readonly raw: Buffer;
}

/**
 * The mail of a send, import or insert: as `raw` in JSON, as the body itself, or as multipart/related with its
 * metadata first (https://developers.google.com/workspace/gmail/api/guides/uploads).
 */
export function uploadOf(request: Request): Upload {
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('message/rfc822')) return { threadId: null, raw: rawBody(request) };
  const boundary = /^multipart\/related;.*boundary="?([^";]+)/.exec(type)?.[1];
  if (boundary === undefined) {
    const { raw, threadId } = request.body as { raw?: string; threadId?: string };
    return { threadId: threadId ?? null, raw: Buffer.from(raw ?? '', 'base64url') };
  }
  const [metadata, mail] = parts(rawBody(request), boundary);
  const { threadId } = JSON.parse(metadata?.toString() || '{}') as { threadId?: string };
  return { threadId: threadId ?? null, raw: mail ?? Buffer.alloc(0) };
}

function parts(body: Buffer, boundary: string): Buffer[] {
  const text = body.toString('latin1');
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const start = part.indexOf('\r\n\r\n');
      return Buffer.from(part.slice(start + 4).replace(/\r\n$/, ''), 'latin1');
    });
}
