import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { one, refuseStale } from '../cloud-mail.ts';
import { DoorRefusal, type DoorRequest } from '../contract.ts';

/** Reads a key as SendGrid shows it: base64 of its DER form (SPKI). Null where it is none. */
export function readPublicKey(text: string): KeyObject | null {
  try {
    const key = createPublicKey({
      key: Buffer.from(text.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64'),
      format: 'der',
      type: 'spki',
    });
    return key.asymmetricKeyType === 'ec' ? key : null;
  } catch {
    return null; // the caller says what was wanted
  }
}

/**
 * ECDSA with SHA-256 over timestamp and raw body: of the signed Event Webhook
 * (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features)
 * and of an Inbound Parse webhook under a security policy
 * (https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/securing-your-parse-webhooks).
 * @param mostAgeMs for how long SendGrid tries such a call again
 * @throws DoorRefusal
 */
export function verifySignature(request: DoorRequest, publicKey: string, mostAgeMs: number): void {
  const signature = one(request.headers['x-twilio-email-event-webhook-signature']);
  const timestamp = one(request.headers['x-twilio-email-event-webhook-timestamp']);
  if (!signature || !timestamp)
    throw new DoorRefusal(401, 'sendgrid.unsigned', 'The call carries no signature.');
  const signed = Buffer.concat([Buffer.from(timestamp), request.body]);
  const key = readPublicKey(publicKey)!; // the settings' schema has read it
  if (!verify('sha256', signed, key, Buffer.from(signature, 'base64')))
    throw new DoorRefusal(401, 'sendgrid.bad_signature', 'The signature is not by the public key.');
  refuseStale('sendgrid', new Date(Number(timestamp) * 1000), request, mostAgeMs);
}
