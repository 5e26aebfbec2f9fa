import type { Request, RequestHandler } from 'express';
import { rateLimit, type Options } from 'express-rate-limit';
import { sendPage } from '../oauth/page.ts';

const WINDOW_MS = 60_000;
/** Of one address (of IPv6 a /56): people behind one address open links of their own. */
const PER_ADDRESS = 120;
/** Of one link: its person, and the programs that open links before a person does. */
const PER_LINK = 20;

/** So many requests a minute and process, by the caller's address, then by the link whatever its signature. */
export function linkLimits(): RequestHandler<{ token: string }>[] {
  return [
    limited(PER_ADDRESS, 'per-address', {}),
    limited(PER_LINK, 'per-link', { keyGenerator: linkOf }),
  ];
}

function limited(limit: number, identifier: string, more: Partial<Options>): RequestHandler {
  return rateLimit({
    windowMs: WINDOW_MS,
    limit,
    identifier,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    // Said by nobody who is trusted, such a header is nothing to warn of: anybody can send one.
    validate: { xForwardedForHeader: false, forwardedHeader: false },
    handler: (_req, res) =>
      sendPage(res, {
        status: 429,
        title: 'Please wait a moment',
        says: ['This page was asked for too often just now. Open the link again in a minute.'],
      }),
    ...more,
  });
}

function linkOf({ params }: Request): string {
  return String(params['token']).split('.', 1)[0]!.slice(0, 26);
}
