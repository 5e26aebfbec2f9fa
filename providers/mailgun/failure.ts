import { z } from 'zod';
import type { ProviderFailure } from '../../domain/failure.ts';
import { jsonOrUndefined } from '../cloud-mail.ts';
import { refusalFailure, type VendorAnswer } from '../vendor-http.ts';
import { mailgunVendor, type MailgunCall } from './client.ts';

const Told = z.object({ message: z.string() });

/** A refusal of Mailgun's, classified; it says why as JSON {message}, or as a bare text such as "Forbidden". */
export function mailgunFailure(call: MailgunCall, answer: VendorAnswer): Promise<ProviderFailure> {
  const told = Told.safeParse(jsonOrUndefined(answer.body.toString()));
  const words = told.success ? told.data.message : answer.body.subarray(0, 300).toString();
  return refusalFailure(call, mailgunVendor, answer, { words });
}
