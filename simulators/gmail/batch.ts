import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import { rawBody } from '../server.ts';

// Several requests in one (https://developers.google.com/workspace/gmail/api/guides/batch).

export interface BatchPart {
  readonly contentId: string;
  readonly method: string;
  readonly url: URL;
}

/** The requests within a batch; null where it is none. */
export function batchParts(request: Request): BatchPart[] | null {
  const type = request.headers['content-type'] ?? '';
  const boundary = /^multipart\/mixed;.*boundary="?([^";]+)/.exec(type)?.[1];
  if (boundary === undefined) return null;
  const parts = rawBody(request).toString().split(`--${boundary}`).slice(1, -1);
  return parts.flatMap((part) => {
    const isHttp = /^content-type: application\/http/im.test(part);
    const contentId = /^content-id: (.+?)\r?$/im.exec(part)?.[1];
    const [, method, path] = /\r\n\r\n(GET|POST) (\/\S+)/.exec(part) ?? [];
    if (!isHttp || contentId === undefined || method === undefined) return [];
    return [{ contentId, method, url: new URL(path!, 'http://vendor') }];
  });
}

/** In whatever order: Google promises none. */
export function batchAnswer(
  response: Response,
  answers: readonly { contentId: string; status: number; body?: unknown }[],
): void {
  const boundary = `batch_${randomUUID()}`;
  const parts = answers
    .toReversed()
    .map(({ contentId, status, body }) =>
      [
        `--${boundary}`,
        'Content-Type: application/http',
        `Content-ID: ${contentId.replace('<', '<response-')}`,
        '',
        `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Error'}`,
        'Content-Type: application/json; charset=UTF-8',
        '',
        body === undefined ? '' : JSON.stringify(body, null, 1).replaceAll('\n', '\r\n'),
        '',
      ].join('\r\n'),
    );
  response
    .status(200)
    .set('Content-Type', `multipart/mixed; boundary=${boundary}`)
    .send(Buffer.from(`${parts.join('')}--${boundary}--`));
}
