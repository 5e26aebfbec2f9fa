import { randomBytes } from 'node:crypto';
import type { Request, Response } from 'express';
import { hashSecret } from '../../security/api-key.ts';

const COOKIE = 'postroom_connect';
const FORM = /^[\w-]{43}$/;

/** A random secret as it travels in links, cookies and states. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Hash of the secret by which the browser is known that began a consent; null where it has none. */
export function sessionOf(req: Request): Buffer | null {
  const secret = secretOf(req);
  return secret === null ? null : hashSecret(secret);
}

/** Knows the browser from now on. Several consents may be under way in it. */
export function ensureSession(
  req: Request,
  res: Response,
  secure: boolean,
  seconds: number,
): Buffer {
  const secret = secretOf(req) ?? newSecret();
  res.cookie(COOKIE, secret, {
    httpOnly: true,
    // The vendor leads back by a plain navigation, which Lax lets the cookie go with.
    sameSite: 'lax',
    secure,
    path: '/oauth',
    maxAge: seconds * 1000,
  });
  return hashSecret(secret);
}

function secretOf(req: Request): string | null {
  const pairs = (req.get('cookie') ?? '').split(';').map((pair) => pair.trim().split('='));
  const value = pairs.find(([name]) => name === COOKIE)?.[1];
  return value !== undefined && FORM.test(value) ? value : null;
}
