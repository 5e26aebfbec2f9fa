import type { RequestHandler, Response } from 'express';
import { newRequestId } from '../../domain/ids.ts';

/** Takes over a caller's X-Request-Id, or makes one, and answers with it. */
export const giveRequestId: RequestHandler = (req, res, next) => {
  const given = req.get('x-request-id');
  const id = given && /^[A-Za-z0-9._:-]{1,128}$/.test(given) ? given : newRequestId();
  res.locals.requestId = id;
  res.set('X-Request-Id', id);
  next();
};

export function requestId(res: Response): string {
  return String(res.locals.requestId);
}
