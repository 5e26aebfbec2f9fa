import { z } from 'zod';
import type { FailureClass, ProviderFailure } from '../../domain/failure.ts';
import { jsonOrUndefined } from '../cloud-mail.ts';
import { refusalFailure, type VendorAnswer } from '../vendor-http.ts';
import { sesVendor, type SesCall } from './client.ts';

const Told = z.object({ message: z.string().optional(), Message: z.string().optional() });

/** Errors whose status says less than their type does (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html). */
const TYPES: Readonly<Record<string, { class: FailureClass; code: string }>> = {
  AccountSuspendedException: { class: 'give_up', code: 'account_suspended' },
  SendingPausedException: { class: 'wait', code: 'sending_paused' },
  MailFromDomainNotVerifiedException: { class: 'give_up', code: 'sender_unverified' },
  LimitExceededException: { class: 'wait', code: 'limit_exceeded' },
  ThrottlingException: { class: 'wait', code: 'too_many_requests' },
  Throttling: { class: 'wait', code: 'too_many_requests' },
  SlowDown: { class: 'wait', code: 'too_many_requests' },
  AccessDeniedException: { class: 'reauthenticate', code: 'not_permitted' },
  AccessDenied: { class: 'reauthenticate', code: 'not_permitted' },
  RequestTimeTooSkewed: { class: 'retry', code: 'clock_differs' },
};

/** A refusal of SES (JSON, its type in a header) or S3 (XML), classified. */
export function awsFailure(call: SesCall, answer: VendorAnswer): Promise<ProviderFailure> {
  const text = answer.body.toString();
  const told = Told.safeParse(jsonOrUndefined(text));
  const type =
    answer.headers.get('x-amzn-errortype')?.split(':')[0] ?? /<Code>([^<]+)</.exec(text)?.[1] ?? '';
  const words = told.success
    ? (told.data.message ?? told.data.Message)
    : /<Message>([^<]+)</.exec(text)?.[1];
  // All that is left of 403 is about the key: unknown, expired, or the signature isn't by it.
  const isKey = answer.status === 403 && !(type in TYPES);
  return refusalFailure(call, sesVendor, answer, {
    words: words ?? type,
    ...(isKey && { class: 'reauthenticate' as const }),
    ...TYPES[type],
  });
}
