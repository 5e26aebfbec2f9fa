import { createHmac, timingSafeEqual } from 'node:crypto';

/** The signature of what a link stands for, as it travels: base64url of HMAC-SHA256. */
export function signFacts(facts: readonly string[], key: Buffer): string {
  return createHmac('sha256', key).update(JSON.stringify(facts)).digest('base64url');
}

/** Whether one of the keys signed these facts; in time that tells nothing of how much was right. */
export function isSigned(
  facts: readonly string[],
  signature: string,
  keys: readonly Buffer[],
): boolean {
  const given = Buffer.from(signature);
  return keys.reduce((found, key) => {
    const expected = Buffer.from(signFacts(facts, key));
    const same = given.length === expected.length && timingSafeEqual(given, expected);
    return same || found;
  }, false);
}
