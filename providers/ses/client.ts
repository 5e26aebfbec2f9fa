import { AwsV4Signer } from 'aws4fetch';
import { noApiKey } from '../cloud-mail.ts';
import type { ProviderCall } from '../contract.ts';
import type { Vendor, VendorRequest } from '../vendor-http.ts';
import type { SesSettings } from './manifest.ts';

export type SesCall = ProviderCall<SesSettings>;

export const sesVendor: Vendor = { code: 'ses', title: 'Amazon', credential: 'access_key_id' };

/** Where a service of AWS is reached; all of them at `base_url`, where that is set. */
export function endpoint({ base_url: base, region }: SesSettings, service: 'email' | 's3'): string {
  return base?.replace(/\/+$/, '') ?? `https://${service}.${region}.${domainOf(region)}`;
}

export function domainOf(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
}

/**
 * A request signed by the channel's own key (Signature Version 4). The machine's own identity is never used: a tenant
 * could have mail fetched with it that is none of theirs.
 * @throws ProviderFailure `channel.no_api_key`
 */
export async function signedRequest(
  { access_key_id: accessKeyId, secret_access_key: secretAccessKey, region }: SesSettings,
  request: { service: 'ses' | 's3'; method: string; url: string; body?: object },
): Promise<VendorRequest> {
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw noApiKey(
      'This channel has no key for AWS: set "access_key_id" and "secret_access_key" in its settings.',
    );
  const { service, method, url } = request;
  const body = request.body && JSON.stringify(request.body);
  const signer = new AwsV4Signer({
    accessKeyId,
    secretAccessKey,
    service,
    region,
    method,
    url,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body !== undefined && { body }),
  });
  const signed = await signer.sign();
  return {
    method,
    url: signed.url.href,
    headers: Object.fromEntries(signed.headers),
    ...(body !== undefined && { body }),
  };
}
