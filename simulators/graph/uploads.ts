import { randomBytes } from 'node:crypto';
import type { Request, Response, Router } from 'express';
import { rawBody } from '../server.ts';
import { graphError } from './errors.ts';
import type { SimMessage } from './state.ts';

/** https://learn.microsoft.com/graph/outlook-large-attachments */
const LARGEST = 150 * 1024 * 1024;
const SMALLEST = 3_000_000;
const LARGEST_RANGE = 4 * 1024 * 1024;

interface AttachmentItem {
  readonly attachmentType: string;
  readonly name: string;
  readonly size: number;
  readonly contentType?: string;
  readonly isInline?: boolean;
  readonly contentId?: string;
}

interface Session {
  readonly message: SimMessage;
  readonly item: AttachmentItem;
  readonly parts: Buffer[];
  received: number;
}

/** Upload sessions: a file attached to a draft in ranges, in order, under an address that needs no token. */
export class Uploads {
  readonly #sessions = new Map<string, Session>();
  readonly #baseUrl: () => string;

  constructor(baseUrl: () => string) {
    this.#baseUrl = baseUrl;
  }

  open(message: SimMessage, { body }: Request, response: Response): void {
    const given = body as { AttachmentItem?: AttachmentItem; attachmentItem?: AttachmentItem }; // as described
    const item = (given.AttachmentItem ?? given.attachmentItem)!;
    if (item.size > LARGEST)
      return graphError(
        response,
        413,
        'ErrorAttachmentSizeLimitExceeded',
        'The attachment is over the limit of 150 MB.',
      );
    if (item.size < SMALLEST)
      return graphError(
        response,
        400,
        'ErrorAttachmentSizeShouldNotBeLessThanMinimumSize',
        'The attachment is under 3 MB: post it.',
      );
    const id = randomBytes(12).toString('hex');
    this.#sessions.set(id, { message, item, parts: [], received: 0 });
    response.status(201).json({
      uploadUrl: `${this.#baseUrl()}/upload/${id}?authtoken=simulated`,
      ...expected(0),
    });
  }

  routes(api: Router): void {
    api.get('/upload/:id', (request, response) => {
      const session = this.#sessions.get(request.params.id);
      if (!session) return graphError(response, 404, 'ErrorItemNotFound', 'The session is over.');
      response.json(expected(session.received));
    });
    api.put('/upload/:id', (request, response) => this.#put(request, response));
  }

  #put(request: Request<{ id: string }>, response: Response): void {
    const session = this.#sessions.get(request.params.id);
    if (!session) return graphError(response, 404, 'ErrorItemNotFound', 'The session is over.');
    if (request.headers.authorization !== undefined)
      return graphError(response, 401, 'InvalidAudience', 'This address takes no Authorization.');
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(request.headers['content-range'] ?? '');
    const bytes = rawBody(request);
    const [from, to, total] = (range ?? []).slice(1).map(Number);
    const fits =
      range &&
      from === session.received &&
      to! - from + 1 === bytes.length &&
      total === session.item.size;
    if (!fits || bytes.length > LARGEST_RANGE)
      return graphError(
        response,
        416,
        'InvalidRange',
        'The range is not the one that is expected next.',
      );
    session.parts.push(bytes);
    session.received += bytes.length;
    if (session.received < session.item.size) {
      response.json(expected(session.received));
      return;
    }
    this.#sessions.delete(request.params.id);
    const { message, item, parts } = session;
    const id = attach(message, item, Buffer.concat(parts));
    response.status(201).location(`${this.#baseUrl()}/Attachments('${id}')`).end();
  }
}

export function attach(
  message: SimMessage,
  item: Pick<AttachmentItem, 'name' | 'contentType' | 'isInline' | 'contentId'>,
  content: Buffer,
): string {
  const id = `AAMkAtt${randomBytes(20).toString('hex')}=`;
  message.attachments.push({
    id,
    name: item.name,
    contentType: item.contentType ?? 'application/octet-stream',
    content,
    isInline: item.isInline ?? false,
    contentId: item.contentId ?? null,
  });
  return id;
}

function expected(from: number): object {
  const expirationDateTime = new Date(Date.now() + 3_600_000).toISOString();
  return { expirationDateTime, nextExpectedRanges: [`${from}-`] };
}
