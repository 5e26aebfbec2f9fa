import { z } from 'zod';
import type { ProviderFailure } from '../../domain/failure.ts';
import { jsonOrUndefined } from '../cloud-mail.ts';
import { refusalFailure, type Refusal, type VendorAnswer } from '../vendor-http.ts';
import { sendgridVendor, type SendgridCall } from './client.ts';

const Told = z.object({
  errors: z.array(z.object({ message: z.string().catch(''), field: z.string().nullish() })).min(1),
});

/** A refusal of SendGrid's, classified; it says why as {errors: [{message, field}]}. */
export function sendgridFailure(
  call: SendgridCall,
  answer: VendorAnswer,
): Promise<ProviderFailure> {
  const told = Told.safeParse(jsonOrUndefined(answer.body.toString()));
  const [error] = told.success ? told.data.errors : [];
  const words = error?.message ?? '';
  return refusalFailure(call, sendgridVendor, answer, {
    words,
    ...meaningOf(answer.status, words, error?.field ?? null),
    ...resetOf(answer),
  });
}

function meaningOf(status: number, words: string, field: string | null): Partial<Refusal> {
  // A used-up plan is told as a refused login.
  if (/maximum credits exceeded/i.test(words)) return { class: 'wait', code: 'credits_exceeded' };
  if (status !== 403) return {};
  if (field === 'from' || /sender identity/i.test(words))
    return { class: 'give_up', code: 'sender_unverified' };
  return { class: 'reauthenticate', code: 'not_permitted' }; // the key lacks Mail Send access
}

/** SendGrid tells the end of a limit by X-RateLimit-Reset, in seconds since 1970. */
function resetOf({ status, headers }: VendorAnswer): Partial<Refusal> {
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN);
  if (status !== 429 || headers.has('retry-after') || !Number.isFinite(reset)) return {};
  return { retryAfterMs: Math.max(0, reset * 1000 - Date.now()) };
}
