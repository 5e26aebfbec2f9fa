import { createHash, createHmac } from 'node:crypto';
import { z } from 'zod';
import { one, readJson, refuseStale, sameSecret } from '../cloud-mail.ts';
import { DoorRefusal, type DoorRequest } from '../contract.ts';
import { formOrRefusal, textOf } from '../vendor-form.ts';

/** Mailgun tries a call again for 8 hours (10, 15, 30 minutes, 1, 2, 4 hours). */
const MOST_AGE_MS = 8.5 * 3600_000;

const Signature = z.object({
  timestamp: z.coerce.string().regex(/^\d{1,12}$/, 'wants seconds'),
  token: z.string().min(1).max(200),
  signature: z.string(),
});
type Signature = z.infer<typeof Signature>;
const Event = z.looseObject({ signature: Signature });

export const isEvent = ({ headers }: DoorRequest): boolean =>
  /^application\/json\b/i.test(one(headers['content-type']) ?? '');

/**
 * Hex HMAC-SHA256 of timestamp and token, by the webhook signing key
 * (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks). It covers nothing else: what
 * keeps a heard signature from carrying other content is that each token is good for one content.
 * @throws DoorRefusal
 */
export async function verifySignature(request: DoorRequest, signingKey: string): Promise<void> {
  const { signature, content } = await signed(request);
  const { timestamp, token } = signature;
  const wanted = createHmac('sha256', signingKey)
    .update(timestamp + token)
    .digest('hex');
  if (!sameSecret(signature.signature, wanted))
    throw new DoorRefusal(401, 'mailgun.bad_signature', 'The signature is not by the signing key.');
  refuseStale('mailgun', new Date(Number(timestamp) * 1000), request, MOST_AGE_MS);
  if (recent.carriesOther(token, content))
    throw new DoorRefusal(403, 'mailgun.token_reused', 'The token came with other content before.');
}

async function signed(request: DoorRequest): Promise<{ signature: Signature; content: string }> {
  const hash = createHash('sha256');
  if (isEvent(request)) {
    const { signature, ...said } = readJson('mailgun', request.body.toString(), Event);
    return { signature, content: hash.update(JSON.stringify(said)).digest('base64') };
  }
  const form = await formOrRefusal('mailgun', request);
  const signature = Signature.safeParse({
    timestamp: textOf(form, 'timestamp'),
    token: textOf(form, 'token'),
    signature: textOf(form, 'signature'),
  });
  if (!signature.success)
    throw new DoorRefusal(401, 'mailgun.unsigned', 'The call carries no signature.');
  for (const [name, values] of form.fields)
    for (const value of values) hash.update(`${name}\0${value.length}\0`).update(value);
  for (const { field, content } of form.files)
    hash.update(`${field}\0${content.length}\0`).update(content);
  return { signature: signature.data, content: hash.digest('base64') };
}

/** Tokens of the last calls with what they carried; of older ones the stored source's id tells. */
class RecentTokens {
  readonly #contents = new Map<string, string>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** The same content again is a redelivery. */
  carriesOther(token: string, content: string): boolean {
    const known = this.#contents.get(token);
    if (known !== undefined) return known !== content;
    this.#contents.set(token, content);
    if (this.#contents.size > this.#most)
      this.#contents.delete(this.#contents.keys().next().value!); // the oldest
    return false;
  }
}

const recent = new RecentTokens(50_000);
