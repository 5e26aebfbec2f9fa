import { z } from 'zod';
import { jsonOrUndefined, noApiKey } from '../cloud-mail.ts';
import type { ProviderCall } from '../contract.ts';
import type { Vendor, VendorAnswer, VendorRequest } from '../vendor-http.ts';
import type { PostmarkSettings } from './manifest.ts';

export type PostmarkCall = ProviderCall<PostmarkSettings>;

export const postmarkVendor: Vendor = {
  code: 'postmark',
  title: 'Postmark',
  credential: 'api_key',
};

/** A request of Postmark's API (https://postmarkapp.com/developer/api/overview). @throws ProviderFailure without key */
export function apiRequest(
  { api_key: key, base_url: base = 'https://api.postmarkapp.com' }: PostmarkSettings,
  method: string,
  path: string,
  body?: object,
): VendorRequest {
  if (key === undefined)
    throw noApiKey(
      'This channel can’t send: set "api_key" (the API token of the Postmark server) in its settings.',
    );
  return {
    method,
    url: `${base.replace(/\/+$/, '')}${path}`,
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      'x-postmark-server-token': key,
    },
    ...(body && { body: JSON.stringify(body) }),
  };
}

const Told = z.object({ ErrorCode: z.int().catch(0), Message: z.string().catch('') });

/** What Postmark says of a request: an error code of its own beside the status. */
export function told({ body }: VendorAnswer): z.infer<typeof Told> {
  return Told.catch({ ErrorCode: 0, Message: '' }).parse(jsonOrUndefined(body.toString()));
}
