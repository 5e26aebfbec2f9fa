import { X509Certificate, type KeyObject } from 'node:crypto';
import { ProviderFailure } from '../../domain/failure.ts';
import { DoorRefusal } from '../contract.ts';
import { ask } from '../vendor-http.ts';
import { domainOf, sesVendor, type SesCall } from './client.ts';
import type { SesSettings } from './manifest.ts';

const KEEP_MS = 3600_000;
const MOST = 100;
const kept = new Map<string, { until: number; certificate: Promise<X509Certificate> }>();

/** Whether an address in a message is SNS's own, or where the admin said that AWS is. */
export function isSnsAddress(
  text: string,
  topicArn: string,
  { base_url: base }: SesSettings,
): boolean {
  const url = URL.parse(text);
  if (!url || url.username !== '' || url.password !== '') return false;
  if (base !== undefined && url.origin === new URL(base).origin) return true;
  const region = topicArn.split(':')[3]!;
  return url.origin === `https://sns.${region}.${domainOf(region)}`;
}

/**
 * The public key by which SNS signs, of the certificate that a message names: fetched from SNS itself, and kept for an
 * hour. @throws DoorRefusal where the address is another's; ProviderFailure where it can't be fetched now
 */
export async function signingKey(call: SesCall, url: string, topicArn: string): Promise<KeyObject> {
  if (!isSnsAddress(url, topicArn, call.settings) || !new URL(url).pathname.endsWith('.pem'))
    throw new DoorRefusal(401, 'ses.foreign_certificate', 'The certificate is not one of SNS’s.');
  const certificate = await keptCertificate(call, url);
  const now = Date.now();
  if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo))
    throw new DoorRefusal(401, 'ses.certificate_expired', 'The certificate is not valid now.');
  return certificate.publicKey;
}

function keptCertificate(call: SesCall, url: string): Promise<X509Certificate> {
  const known = kept.get(url);
  if (known && known.until > Date.now()) return known.certificate;
  const certificate = fetched(call, url);
  kept.delete(url);
  kept.set(url, { until: Date.now() + KEEP_MS, certificate });
  if (kept.size > MOST) kept.delete(kept.keys().next().value!); // the oldest
  certificate.catch(() => {
    if (kept.get(url)?.certificate === certificate) kept.delete(url);
  });
  return certificate;
}

async function fetched(call: SesCall, url: string): Promise<X509Certificate> {
  const answer = await ask(call, sesVendor, { method: 'GET', url, headers: {} });
  if (answer.status !== 200)
    throw new ProviderFailure({
      code: 'ses.certificate_unavailable',
      class: 'retry',
      status: answer.status,
      message: `SNS’s certificate can’t be fetched just now (${answer.status}).`,
    });
  try {
    return new X509Certificate(answer.body);
  } catch (error) {
    throw new ProviderFailure(
      {
        code: 'ses.certificate_unreadable',
        class: 'retry',
        message: 'What SNS gave as its certificate is none.',
      },
      { cause: error },
    );
  }
}
