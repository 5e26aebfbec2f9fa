import type { ProviderCall } from '../contract.ts';
import { graphClient, graphRequest as request, type GraphRequest } from '../graph-api.ts';
import type { Vendor, VendorRequest } from '../vendor-http.ts';
import { knownError } from './errors.ts';
import type { WhatsAppSettings } from './manifest.ts';

export type WhatsAppCall = ProviderCall<WhatsAppSettings>;

export const whatsappVendor: Vendor = {
  code: 'whatsapp',
  title: 'WhatsApp',
  credential: 'access_token',
};

/** A request of the Cloud API. */
export function graphRequest(
  { settings }: Pick<WhatsAppCall, 'settings'>,
  method: 'GET' | 'POST',
  path: string,
  more: GraphRequest = {},
): Promise<VendorRequest> {
  const { base_url: base, access_token: token, app_secret: appSecret } = settings;
  return request({ base, token, appSecret }, method, path, more);
}

/** Asks for what may be asked again, and classifies a refusal. */
export const { asked, failure: whatsappFailure } = graphClient(whatsappVendor, knownError);
