import type { Request } from 'express';
import type { Db } from '../../db/connection.ts';
import { noteKeyUse, resolveApiKey, type ResolvedKey } from '../../db/queries/api-keys.ts';
import { readApiKey, sameHash } from '../../security/api-key.ts';
import type { Logger } from '../../telemetry/log.ts';
import { Problem } from '../problem.ts';
import type { Caller } from '../route.ts';
import { isAllowed, type Scope } from '../scopes.ts';

/** A revoked key works at most this much longer. */
const CACHE_MS = 2_000;
const CACHE_ENTRIES = 10_000;
const USE_NOTED_EVERY_MS = 60_000;

interface Cached {
  readonly key: ResolvedKey | null;
  readonly until: number;
}

export type Authenticate = (req: Request, scope: Scope) => Promise<Caller>;

/**
 * Checks `Authorization: Bearer <key>` or `X-API-Key: <key>`.
 * @throws Problem 401, or 403 where the key lacks the scope.
 */
export function createAuthentication(db: Db, log: Logger): Authenticate {
  const cache = new Map<string, Cached>();
  const usedAt = new Map<string, number>();

  async function resolve(keyId: string): Promise<ResolvedKey | null> {
    const cached = cache.get(keyId);
    if (cached && cached.until > Date.now()) return cached.key;
    const key = await resolveApiKey(db, keyId);
    if (cache.size >= CACHE_ENTRIES) cache.clear();
    cache.set(keyId, { key, until: Date.now() + CACHE_MS });
    return key;
  }

  function noteUse(keyId: string, { tenantId }: ResolvedKey): void {
    if (Date.now() - (usedAt.get(keyId) ?? 0) < USE_NOTED_EVERY_MS) return;
    if (usedAt.size >= CACHE_ENTRIES) usedAt.clear();
    usedAt.set(keyId, Date.now());
    noteKeyUse(db, tenantId, keyId).catch((error: unknown) =>
      log.warn({ err: error, key: keyId }, 'the use of a key could not be noted'),
    );
  }

  return async (req, scope) => {
    const presented = readApiKey(presentedKey(req));
    const key = presented && (await resolve(presented.id));
    if (!presented || !key || !sameHash(key.secretHash, presented.secretHash))
      throw unauthorized('This key is not known, or it was revoked. Make one with `npm run key`.');
    if (!isAllowed(key.scopes, scope)) throw forbidden(scope);
    noteUse(presented.id, key);
    return {
      tenantId: key.tenantId,
      keyId: presented.id,
      scopes: key.scopes,
      actor: { type: 'api_key', id: presented.id },
    };
  };
}

function presentedKey(req: Request): string {
  const apiKey = req.get('x-api-key');
  if (apiKey) return apiKey.trim();
  const authorization = req.get('authorization');
  if (!authorization)
    throw unauthorized('Send a key: `Authorization: Bearer prk_…` or `X-API-Key: prk_…`.');
  const bearer = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (!bearer) throw unauthorized('The Authorization header wants the form `Bearer prk_…`.');
  return bearer;
}

function unauthorized(detail: string): Problem {
  return new Problem(401, 'unauthorized', detail, {
    headers: { 'WWW-Authenticate': 'Bearer realm="postroom"' },
  });
}

function forbidden(scope: Scope): Problem {
  return new Problem(
    403,
    'forbidden',
    `This key lacks the scope "${scope}". Use a key that has it, or "*".`,
    { headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` } },
  );
}
