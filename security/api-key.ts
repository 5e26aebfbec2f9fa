import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { newId } from '../domain/ids.ts';

export interface MintedKey {
  /** The key's id: `key_…`. */
  readonly id: string;
  /** What the caller sends: `prk_<id without prefix>_<secret>`; shown once. */
  readonly key: string;
  readonly secretHash: Buffer;
}

/** Makes an API key; only its hash is stored. 256 random bits need no slow hash. */
export function mintApiKey(id: string = newId('apiKey')): MintedKey {
  const secret = randomBytes(32).toString('base64url').replaceAll('_', '-');
  return { id, key: `prk_${id.slice(4)}_${secret}`, secretHash: hashSecret(secret) };
}

/** Takes a key apart; null where it has not the form. */
export function readApiKey(key: string): { id: string; secretHash: Buffer } | null {
  const match = /^prk_([0-9A-HJKMNP-TV-Z]{26})_([A-Za-z0-9-]{43})$/.exec(key);
  return match ? { id: `key_${match[1]}`, secretHash: hashSecret(match[2]!) } : null;
}

/** A random bearer token for a channel's door, shown once. */
export function mintToken(): string {
  return `prt_${randomBytes(32).toString('base64url')}`;
}

export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
