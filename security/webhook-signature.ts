import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const MADE_SECRET_BYTES = 32;

/** A new endpoint secret: `whsec_` and base64 of 32 random bytes. */
export function mintWebhookSecret(): string {
  return PREFIX + randomBytes(MADE_SECRET_BYTES).toString('base64');
}

export interface SignedDelivery {
  /** The event's id: the same at every attempt. */
  readonly id: string;
  readonly sentAt: Date;
  /** The raw body, as it is sent. */
  readonly body: string;
}

/**
 * The headers by which a receiver knows a delivery for ours: `x-webhook-signature`, hex HMAC-SHA256 of the raw body
 * under the secret's characters as shown, and those of Standard Webhooks 1.0.0 (`webhook-id`, `webhook-timestamp` in
 * seconds, `webhook-signature`).
 */
export function webhookHeaders(secret: string, { id, sentAt, body }: SignedDelivery) {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000));
  return {
    'x-webhook-signature': createHmac('sha256', secret).update(body).digest('hex'),
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${createHmac('sha256', standardKey(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  };
}

/** The decoded part after `whsec_`, or the characters themselves where there is no such prefix. */
function standardKey(secret: string): Buffer {
  return secret.startsWith(PREFIX)
    ? Buffer.from(secret.slice(PREFIX.length), 'base64')
    : Buffer.from(secret, 'utf8');
}

/** Why a secret given by a user can't be used; null where it can. */
export function secretProblem(secret: string): string | null {
  if (secret.length < 16) return 'A secret wants 16 characters or more.';
  if (secret.startsWith(PREFIX) && !BASE64.test(secret.slice(PREFIX.length)))
    return 'A secret that begins with whsec_ wants base64 after it.';
  return null;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
