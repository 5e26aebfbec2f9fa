import type { ProviderFailure } from '../../domain/failure.ts';
import { refusalFailure, type VendorAnswer } from '../vendor-http.ts';
import { postmarkVendor, told, type PostmarkCall } from './client.ts';

/** Error codes that say what an admin can mend (https://postmarkapp.com/developer/api/overview#error-codes). */
const CODES: Record<number, string> = {
  400: 'sender_unknown',
  401: 'sender_unconfirmed',
  405: 'not_allowed_to_send',
  406: 'inactive_recipient',
  412: 'account_pending',
};

/** A refusal of Postmark's, classified. */
export function postmarkFailure(
  call: PostmarkCall,
  answer: VendorAnswer,
): Promise<ProviderFailure> {
  const { ErrorCode: code, Message: words } = told(answer);
  return refusalFailure(call, postmarkVendor, answer, {
    words,
    ...(code === 10 && { class: 'reauthenticate' as const }), // a bad token, whatever the status
    ...(CODES[code] && { code: CODES[code] }),
  });
}
