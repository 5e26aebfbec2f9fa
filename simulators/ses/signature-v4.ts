import { createHash, createHmac } from 'node:crypto';
import type { Request } from 'express';
import { rawBody } from '../server.ts';

const hmac = (key: string | Buffer, text: string) =>
  createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/**
 * Why AWS would refuse a request's signature, by the name of its error; null where it is good. Worked out from the
 * request as https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html says.
 */
export function signatureProblem(
  request: Request,
  key: { readonly id: string; readonly secret: string },
): string | null {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    );
  if (!parts) return 'MissingAuthenticationTokenException';
  const [, id, day, region, service, headerNames, signature] = parts as unknown as string[]; // it matched
  if (id !== key.id) return 'UnrecognizedClientException';
  const names = headerNames!.split(';');
  if (!names.includes('host') || !names.includes('x-amz-date')) return 'InvalidSignatureException';
  const date = String(request.headers['x-amz-date']);
  if (!date.startsWith(day!)) return 'InvalidSignatureException';
  const url = new URL(request.originalUrl, 'http://vendor');
  const hash = String(request.headers['x-amz-content-sha256'] ?? sha256(rawBody(request)));
  const canonical = [
    request.method,
    // S3 signs a path as it is sent; the others encode it once more.
    service === 's3' ? url.pathname : url.pathname.split('/').map(encodeURIComponent).join('/'),
    [...url.searchParams]
      .map((pair) => pair.map(encodeURIComponent).join('='))
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}`),
    '',
    headerNames,
    hash,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const signingKey = [day!, region!, service!, 'aws4_request'].reduce<string | Buffer>(
    (from, text) => hmac(from, text),
    `AWS4${key.secret}`,
  );
  const wanted = hmac(signingKey, toSign).toString('hex');
  return wanted === signature ? null : 'InvalidSignatureException';
}
