import { createPublicKey } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose';

export interface SigningKey {
  /** With the private part: for the provider alone. */
  readonly jwk: JWK;
  /** The public half by key id in PEM, as Google's older address of certificates gives it. */
  readonly pem: Readonly<Record<string, string>>;
  readonly sign: (claims: JWTPayload) => Promise<string>;
}

let kept: Promise<SigningKey> | undefined;

/** One key for the process: making an RSA key costs as much as many tests. */
export const signingKey = (): Promise<SigningKey> => (kept ??= makeKey());

async function makeKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: 'simulated-1', alg: 'RS256', use: 'sig' };
  const publicKey = createPublicKey({
    key: jwk,
    format: 'jwk',
  });
  return {
    jwk,
    pem: { [jwk.kid]: publicKey.export({ type: 'spki', format: 'pem' }).toString() },
    sign: (claims) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: jwk.kid, typ: 'JWT' })
        .sign(privateKey),
  };
}
