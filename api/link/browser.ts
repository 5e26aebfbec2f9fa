import type { Request, Response } from 'express';
import { newSecret } from '../oauth/session.ts';
import { isSigned, signFacts } from '../../security/link-token.ts';

const COOKIE = 'postroom_link';
const FORM = /^[\w-]{43}$/;
const SECONDS = 3600;

/** What the page's form carries: made with a secret that only this browser has, so that no other page can send it. */
export function formProof(req: Request, res: Response, token: string, secure: boolean): string {
  const secret = secretOf(req) ?? newSecret();
  res.cookie(COOKIE, secret, {
    httpOnly: true,
    sameSite: 'lax',
    secure,
    path: '/link',
    maxAge: SECONDS * 1000,
  });
  return signFacts([token], Buffer.from(secret));
}

/** Whether the form was shown to this browser, by us, for this link. */
export function isOwnForm(req: Request, token: string, proof: unknown): boolean {
  const secret = secretOf(req);
  const site = req.get('sec-fetch-site') ?? 'same-origin';
  if (secret === null || typeof proof !== 'string' || site !== 'same-origin') return false;
  return isSigned([token], proof, [Buffer.from(secret)]);
}

function secretOf(req: Request): string | null {
  const pairs = (req.get('cookie') ?? '').split(';').map((pair) => pair.trim().split('='));
  const value = pairs.find(([name]) => name === COOKIE)?.[1];
  return value !== undefined && FORM.test(value) ? value : null;
}
