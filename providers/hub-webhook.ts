import { createHmac, timingSafeEqual } from 'node:crypto';
import { one, sameSecret } from './cloud-mail.ts';
import { DoorRefusal, type DoorKeys, type DoorReceipt, type DoorRequest } from './contract.ts';

// Webhooks with a subscription handshake (`hub.mode`, `hub.challenge`, as WebSub has it) and a signature of the whole
// body in X-Hub-Signature-256, keyed by the secret of the app that they belong to
// (https://developers.facebook.com/docs/graph-api/webhooks/getting-started).

export interface HubSecrets {
  readonly app_secret: string;
  readonly verify_token: string;
}

/** A handshake brings its word; all calls of one app are signed with its secret. */
export const hubKeys: DoorKeys<HubSecrets> = {
  wordIn: ({ method, query }) => (method === 'GET' ? (query['hub.verify_token'] ?? '') : null),
  of: ({ app_secret: signer, verify_token: word }) => ({ word, signer }),
};

/** Lets in a handshake with the right token, and a call that its app's secret signed. @throws DoorRefusal */
export function refuseUnlessSigned(
  vendor: string,
  request: DoorRequest,
  { app_secret: secret, verify_token: token }: HubSecrets,
): void {
  if (request.method === 'GET') {
    const { 'hub.mode': mode, 'hub.verify_token': given } = request.query;
    if (mode !== 'subscribe' || given === undefined || !sameSecret(given, token))
      throw new DoorRefusal(403, `${vendor}.wrong_verify_token`, 'The verify token is wrong.');
    return;
  }
  const given = /^sha256=([0-9a-f]{64})$/i.exec(one(request.headers['x-hub-signature-256']) ?? '');
  if (!given) throw new DoorRefusal(401, `${vendor}.no_signature`, 'The call is not signed.');
  if (!timingSafeEqual(Buffer.from(given[1]!, 'hex'), signatureOf(request.body, secret)))
    throw new DoorRefusal(401, `${vendor}.bad_signature`, 'The app secret didn’t sign this call.');
}

const signatures = new WeakMap<Buffer, Map<string, Buffer>>();

/** Made once for all accounts of an app that a call names. */
function signatureOf(body: Buffer, secret: string): Buffer {
  const known = signatures.get(body) ?? new Map<string, Buffer>();
  signatures.set(body, known);
  const signature = known.get(secret) ?? createHmac('sha256', secret).update(body).digest();
  known.set(secret, signature);
  return signature;
}

/** The answer to a handshake that was let in; null where the call is none. */
export function handshakeAnswer({ method, query }: DoorRequest): DoorReceipt | null {
  if (method !== 'GET') return null;
  const body = query['hub.challenge'] ?? '';
  return { sources: [], answer: { status: 200, body, contentType: 'text/plain; charset=utf-8' } };
}
