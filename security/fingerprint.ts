import { createHmac } from 'node:crypto';

/**
 * A keyed hash by which equal secrets are found without being kept: who lacks the key can't try guesses on it, and under
 * another installation's key the same secret has another. `parts` keep secrets of different use apart.
 */
export function fingerprint(key: Buffer, parts: readonly string[]): Buffer {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest();
}
