import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { mintWebhookSecret, secretProblem, webhookHeaders } from './webhook-signature.ts';

const delivery = { id: 'evt_1', sentAt: new Date(), body: '{"name":"Zoë"}' };

describe('webhookHeaders', () => {
  it('passes the verification of the Standard Webhooks library, with a secret of ours', () => {
    const secret = mintWebhookSecret();
    const headers = webhookHeaders(secret, delivery);
    expect(new Webhook(secret).verify(delivery.body, headers)).toEqual({ name: 'Zoë' });
    expect(() => new Webhook(secret).verify(delivery.body + ' ', headers)).toThrow(
      WebhookVerificationError,
    );
    expect(() => new Webhook(mintWebhookSecret()).verify(delivery.body, headers)).toThrow(
      WebhookVerificationError,
    );
  });

  it('passes it with a given secret, keyed with its characters', () => {
    const secret = 'a secret of my own choosing';
    const headers = webhookHeaders(secret, delivery);
    const library = new Webhook(secret, { format: 'raw' });
    expect(library.verify(delivery.body, headers)).toEqual({ name: 'Zoë' });
  });

  it.each(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'plain-secret-of-mine'])(
    'signs the raw body in hex with the characters of %s as shown',
    (secret) => {
      const hex = createHmac('sha256', Buffer.from(secret)).update(delivery.body).digest('hex');
      expect(webhookHeaders(secret, delivery)['x-webhook-signature']).toBe(hex);
    },
  );

  it('gives the known answer for a known delivery', () => {
    // From the Standard Webhooks library's own published example.
    const headers = webhookHeaders('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      sentAt: new Date(1614265330_999),
      body: '{"test": 2432232314}',
    });
    expect(headers['webhook-timestamp']).toBe('1614265330');
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });
});

describe('secretProblem', () => {
  it.each(['short', 'fifteen-letters', 'whsec_not base64 at all', 'whsec_abcdefghijk'])(
    'refuses %p',
    (secret) => expect(secretProblem(secret)).toEqual(expect.any(String)),
  );
  it.each([mintWebhookSecret(), 'sixteen-letters!'])('takes %p', (secret) =>
    expect(secretProblem(secret)).toBeNull(),
  );
});
