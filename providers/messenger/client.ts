import type { ProviderCall } from '../contract.ts';
import { graphClient, graphRequest as request, type GraphRequest } from '../graph-api.ts';
import type { Vendor, VendorRequest } from '../vendor-http.ts';
import { knownError } from './errors.ts';
import type { MessengerSettings } from './manifest.ts';

export type MessengerCall = ProviderCall<MessengerSettings>;

export const messengerVendor: Vendor = {
  code: 'messenger',
  title: 'Facebook',
  credential: 'page_access_token',
};

/** A request of the Messenger Platform. */
export function graphRequest(
  { settings }: Pick<MessengerCall, 'settings'>,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  more: GraphRequest = {},
): Promise<VendorRequest> {
  const { base_url: base, page_access_token: token, app_secret: appSecret } = settings;
  return request({ base, token, appSecret }, method, path, more);
}

/** Asks for what may be asked again, and classifies a refusal. */
export const { asked, failure: messengerFailure } = graphClient(messengerVendor, knownError);
