import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { GmailCall } from './call.ts';
import { gmailFailure } from './failure.ts';
import { addressOf, fetchFor } from './transport.ts';

const KEYS_URL = 'https://www.googleapis.com/oauth2/v3/certs';
/** Where the answer doesn't say how long it holds; Google's hold some hours. */
const KEPT_MS = 3_600_000;
/** A forged key id must not make us ask at every call. */
const ASKED_AGAIN_MS = 60_000;
const MOST_KEPT = 100;

interface Keys {
  readonly set: JWTVerifyGetKey;
  readonly ids: ReadonlySet<string>;
  readonly askedAt: number;
  readonly until: number;
}

const kept = new Map<string, Promise<Keys>>();

/** Google's public keys, kept as long as Google allows; asked anew for an unknown key id. @throws ProviderFailure */
export async function googleKeys(
  call: GmailCall,
  keyId: string | undefined,
): Promise<JWTVerifyGetKey> {
  const url = addressOf(call, KEYS_URL).href;
  const known = await kept.get(url)?.catch(() => undefined);
  if (known && isGood(known, keyId)) return known.set;
  const asking = fetchKeys(call);
  kept.delete(url);
  kept.set(url, asking);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!);
  try {
    return (await asking).set;
  } catch (error) {
    kept.delete(url);
    throw error;
  }
}

function isGood(keys: Keys, keyId: string | undefined): boolean {
  const now = Date.now();
  if (now >= keys.until) return false;
  return keyId === undefined || keys.ids.has(keyId) || now < keys.askedAt + ASKED_AGAIN_MS;
}

async function fetchKeys(call: GmailCall): Promise<Keys> {
  const response = await fetchFor(call)(KEYS_URL);
  if (!response.ok) throw gmailFailure({ status: response.status, body: null });
  const set = (await response.json()) as JSONWebKeySet; // jose refuses what is none
  const seconds = /max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1];
  const askedAt = Date.now();
  return {
    set: createLocalJWKSet(set),
    ids: new Set(set.keys.flatMap(({ kid }) => kid ?? [])),
    askedAt,
    until: askedAt + (seconds === undefined ? KEPT_MS : Number(seconds) * 1000),
  };
}
