import { noApiKey } from '../cloud-mail.ts';
import type { ProviderCall } from '../contract.ts';
import type { Vendor, VendorRequest } from '../vendor-http.ts';
import type { SendgridSettings } from './manifest.ts';

export type SendgridCall = ProviderCall<SendgridSettings>;

export const sendgridVendor: Vendor = {
  code: 'sendgrid',
  title: 'SendGrid',
  credential: 'api_key',
};

const HOSTS = { global: 'https://api.sendgrid.com', eu: 'https://api.eu.sendgrid.com' };

/** A POST to SendGrid's Web API v3. @throws ProviderFailure `channel.no_api_key` */
export function apiRequest(
  { api_key: key, base_url: base, region }: SendgridSettings,
  path: string,
  body?: object,
): VendorRequest {
  if (key === undefined)
    throw noApiKey(
      'This channel can’t send: set "api_key" (with Mail Send access) in its settings.',
    );
  return {
    method: 'POST',
    url: `${(base ?? HOSTS[region]).replace(/\/+$/, '')}${path}`,
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'application/json',
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  };
}
