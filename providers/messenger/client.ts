import { createHmac } from 'node:crypto';
import type { ProviderCall } from '../contract.ts';
import type { Vendor, VendorRequest } from '../vendor-http.ts';
import type { MessengerSettings } from './manifest.ts';

export type MessengerCall = ProviderCall<MessengerSettings>;

export const messengerVendor: Vendor = {
  code: 'messenger',
  title: 'Facebook',
  credential: 'page_access_token',
};

const HOST = 'https://graph.facebook.com';
const VERSION = 'v25.0';

interface GraphRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: object;
  readonly form?: FormData;
}

/**
 * A request to the Graph API, with the proof that whoever has the token has the app's secret, too
 * (https://developers.facebook.com/docs/graph-api/guides/secure-requests).
 */
export async function graphRequest(
  { settings }: Pick<MessengerCall, 'settings'>,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  { query = {}, json, form }: GraphRequest = {},
): Promise<VendorRequest> {
  const { base_url: base = HOST, page_access_token: token, app_secret: secret } = settings;
  const proof = createHmac('sha256', secret).update(token).digest('hex');
  const search = new URLSearchParams({ ...query, appsecret_proof: proof });
  const encoded = form && new Response(form);
  const type = encoded ? encoded.headers.get('content-type')! : json && 'application/json';
  return {
    method,
    url: `${base.replace(/\/+$/, '')}/${VERSION}${path}?${search.toString()}`,
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      ...(type && { 'content-type': type }),
    },
    ...(encoded && { body: new Uint8Array(await encoded.arrayBuffer()) }),
    ...(json && { body: JSON.stringify(json) }),
  };
}
