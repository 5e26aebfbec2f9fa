import { createHash } from 'node:crypto';
import { encodeTime } from 'ulid';
import type { Db } from '../../db/connection.ts';
import {
  claimKey,
  freeKey,
  keepAnswer,
  KEY_RENEWAL_MS,
  renewKey,
  type Claimed,
} from '../../db/queries/idempotency.ts';
import { ID_PREFIX, newId, type Id, type IdKind, type TenantId } from '../../domain/ids.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { Problem } from '../problem.ts';

/** A finished answer, as it is sent and kept. */
export interface PlainAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

export type NewId = <K extends IdKind>(kind: K) => Id<K>;

export interface IdempotentRequest {
  readonly tenantId: TenantId;
  readonly key: string;
  /** Method, address and body: what makes two requests the same. */
  readonly fingerprint: Buffer;
}

const PURPOSE = 'idempotency';
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The header's key. @throws Problem 400 */
export function idempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (/^[\x21-\x7e][\x20-\x7e]{0,253}[\x21-\x7e]?$/.test(header)) return header;
  throw new Problem(
    400,
    'bad_idempotency_key',
    'Idempotency-Key wants 1 to 255 visible ASCII characters; a UUID is usual.',
    {
      errors: [{ pointer: '/headers/idempotency-key', message: 'is empty, too long or not ASCII' }],
    },
  );
}

export function fingerprintOf(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(createHash('sha256').update(part).digest());
  return hash.digest();
}

/**
 * Does `work` once for a key: a repeat gets the stored answer (`Idempotent-Replayed: true`). Only successes are
 * stored; after anything else the request may be sent again. Answers are sealed: some hold a secret shown once.
 * @throws Problem 409 while the first is under way, 422 where the key was used for another request.
 */
export async function once(
  { db, keys }: { db: Db; keys: KeyRing },
  { tenantId, key, fingerprint }: IdempotentRequest,
  work: (newIdOf: NewId) => Promise<PlainAnswer>,
): Promise<PlainAnswer> {
  const context = `${tenantId}/${key}`;
  const claim = await claimKey(db, tenantId, key, fingerprint);
  switch (claim.state) {
    case 'answered':
      return replay(keys, claim.body, context);
    case 'other_request':
      throw new Problem(
        422,
        'idempotency_key_reused',
        'This Idempotency-Key was used for another request within 24 hours; take a new one.',
        {
          errors: [{ pointer: '/headers/idempotency-key', message: 'belongs to another request' }],
        },
      );
    case 'in_progress':
      throw new Problem(
        409,
        'in_progress',
        `The first request with this Idempotency-Key is still under way. Repeat it: its answer comes as soon as it is there, and should the server that had it have stopped, the key is free in ${claim.retryAfterSeconds} s.`,
        { headers: { 'Retry-After': String(claim.retryAfterSeconds) } },
      );
    case 'claimed':
  }
  const lock = held(claim, (current) => renewKey(db, tenantId, key, current));
  try {
    const answer = await work(repeatableIds(context, claim));
    const sealed = keys.sealJson(PURPOSE, answer, context).toString('base64');
    await keepAnswer(db, tenantId, key, await lock.end(), answer.status, { sealed });
    return answer;
  } catch (error) {
    const refused = error instanceof Problem && error.status < 500;
    await freeKey(db, tenantId, key, await lock.end(), !refused);
    throw error;
  }
}

/** Renews a claim while its request is under way, so that a long one keeps its key and a dead one's is soon free. */
function held(
  claim: Claimed,
  renew: (current: Claimed) => Promise<Claimed | null>,
): { end(): Promise<Claimed> } {
  let current = claim;
  let renewal = Promise.resolve();
  const timer = setInterval(() => {
    renewal = renewal.then(async () => {
      // Without the database this one is left out: the lock outlasts several.
      current = (await renew(current).catch(() => null)) ?? current;
    });
  }, KEY_RENEWAL_MS);
  timer.unref();
  return {
    end: async () => {
      clearInterval(timer);
      await renewal;
      return current;
    },
  };
}

function replay(keys: KeyRing, body: unknown, context: string): PlainAnswer {
  const { sealed } = body as { sealed: string }; // `once` wrote it
  const answer = keys.openJson(PURPOSE, Buffer.from(sealed, 'base64'), context) as PlainAnswer;
  return { ...answer, headers: { ...answer.headers, 'Idempotent-Replayed': 'true' } };
}

/** Ids that come out the same when the same request is tried again after a crash. */
function repeatableIds(context: string, { since }: Claimed): NewId {
  let count = 0;
  return <K extends IdKind>(kind: K) => {
    const hash = createHash('sha256').update(`${context}/${kind}/${count++}`).digest();
    const random = [...hash.subarray(0, 16)].map((byte) => CROCKFORD[byte % 32]).join('');
    return `${ID_PREFIX[kind]}_${encodeTime(since.getTime(), 10)}${random}` as Id<K>;
  };
}

export const anyId: NewId = (kind) => newId(kind);
