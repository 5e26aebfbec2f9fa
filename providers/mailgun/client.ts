import { ProviderFailure } from '../../domain/failure.ts';
import { noApiKey } from '../cloud-mail.ts';
import type { ProviderCall } from '../contract.ts';
import type { Vendor, VendorRequest } from '../vendor-http.ts';
import type { MailgunSettings } from './manifest.ts';

export type MailgunCall = ProviderCall<MailgunSettings>;

export const mailgunVendor: Vendor = { code: 'mailgun', title: 'Mailgun', credential: 'api_key' };

const HOSTS = { us: 'https://api.mailgun.net', eu: 'https://api.eu.mailgun.net' };

export function baseUrl({ base_url: base, region }: MailgunSettings): string {
  return (base ?? HOSTS[region]).replace(/\/+$/, '');
}

/** Basic authentication as user `api`. @throws ProviderFailure `channel.no_api_key` */
export function authorization({ api_key: key }: MailgunSettings): string {
  if (key !== undefined) return `Basic ${Buffer.from(`api:${key}`).toString('base64')}`;
  throw noApiKey('This channel has no key for Mailgun’s API: set "api_key" in its settings.');
}

/** The domain that mail is sent from, as a part of a path. @throws ProviderFailure `channel.no_domain` */
export function sendingDomain({ domain }: MailgunSettings): string {
  if (domain !== undefined) return encodeURIComponent(domain);
  throw new ProviderFailure({
    code: 'channel.no_domain',
    class: 'give_up',
    message:
      'This channel can’t send: set "domain" (the sending domain at Mailgun) in its settings.',
  });
}

export function getRequest(settings: MailgunSettings, url: string): VendorRequest {
  return {
    method: 'GET',
    url,
    headers: { accept: 'application/json', authorization: authorization(settings) },
  };
}
