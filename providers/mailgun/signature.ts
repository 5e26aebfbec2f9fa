import { createHash, createHmac } from 'node:crypto';
import { z } from 'zod';
import { one, readJson, refuseStale, sameSecret, unreadable } from '../cloud-mail.ts';
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

/** What the call's signature is, and a digest of all else that it carries. */
async function signed(request: DoorRequest): Promise<{ signature: Signature; content: string }> {
  try {
    return isEvent(request) ? signedEvent(request) : await signedForm(request);
  } catch (error) {
    if (!(error instanceof DoorRefusal)) throw error;
    throw new DoorRefusal(401, 'mailgun.unsigned', `It is no signed call. ${error.message}`);
  }
}

function signedEvent({ body }: DoorRequest) {
  const { signature, ...said } = readJson('mailgun', body.toString(), Event);
  return { signature, content: createHash('sha256').update(JSON.stringify(said)).digest('base64') };
}

async function signedForm(request: DoorRequest) {
  const form = await formOrRefusal('mailgun', request);
  const [timestamp, token, signature] = ['timestamp', 'token', 'signature'].map((name) =>
    textOf(form, name),
  );
  const given = Signature.safeParse({ timestamp, token, signature });
  if (!given.success) throw unreadable('mailgun', 'a part of the signature is missing');
  const hash = createHash('sha256');
  for (const [name, values] of form.fields)
    for (const value of values) hash.update(`${name}\0${value.length}\0`).update(value);
  for (const { field, content } of form.files)
    hash.update(`${field}\0${content.length}\0`).update(content);
  return { signature: given.data, content: hash.digest('base64') };
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
