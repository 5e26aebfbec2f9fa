import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

export interface SelfSigned {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;

/**
 * A self-signed X.509 certificate (RFC 5280) with a P-256 key, for opportunistic TLS where nobody checks the name:
 * it keeps mail from being read on the way, and vouches for nothing. `rsa` (2048 bits) is for what speaks RSA alone.
 * @param names host names and IPv4 addresses; the first is the common name
 */
export function makeSelfSigned(
  names: readonly [string, ...string[]],
  {
    days = 3650,
    now = new Date(),
    keyType = 'ec',
  }: { days?: number; now?: Date; keyType?: 'ec' | 'rsa' } = {},
): SelfSigned {
  const { privateKey, publicKey } =
    keyType === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const algorithm = keyType === 'ec' ? ECDSA_WITH_SHA256 : SHA256_WITH_RSA;
  const certified = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(serialNumber()),
    algorithm,
    commonName(names[0]),
    sequence(time(new Date(now.getTime() - DAY_MS)), time(new Date(now.getTime() + days * DAY_MS))),
    commonName(names[0]),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(subjectAltName(names))),
  );
  const signature = sign('sha256', certified, privateKey);
  const certificate = sequence(certified, algorithm, bitString(signature));
  return { cert: pem(certificate), key: pkcs8(privateKey) };
}

// DER (X.690): a tag, the length, the content.
function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body), body]);
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  return length < 0x100
    ? Buffer.from([0x81, length])
    : Buffer.from([0x82, length >> 8, length & 0xff]);
}

const sequence = (...items: Buffer[]) => der(0x30, ...items);
const explicit = (number: number, content: Buffer) => der(0xa0 | number, content);
const integer = (bytes: Buffer) => der(0x02, bytes);
const bitString = (bytes: Buffer) => der(0x03, Buffer.from([0]), bytes);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302')); // 1.2.840.10045.4.3.2
const SHA256_WITH_RSA = sequence(oid('2a864886f70d01010b'), der(0x05)); // 1.2.840.113549.1.1.11
const COMMON_NAME = oid('550403'); // 2.5.4.3
const SUBJECT_ALT_NAME = oid('551d11'); // 2.5.29.17

/** Positive, and not padded: the first byte is neither zero nor has its top bit set. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | (bytes[0]! & 0x3f);
  return bytes;
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name.slice(0, 64))))));
}

function subjectAltName(names: readonly string[]): Buffer {
  const entries = names.map((name) =>
    isIPv4(name)
      ? der(0x87, Buffer.from(name.split('.').map(Number)))
      : der(0x82, Buffer.from(name)),
  );
  return sequence(SUBJECT_ALT_NAME, der(0x04, sequence(...entries)));
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/\D/g, '').slice(0, 14);
  return at.getUTCFullYear() < 2050
    ? der(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : der(0x18, Buffer.from(`${digits}Z`));
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g)!;
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function pkcs8(key: KeyObject): string {
  return String(key.export({ type: 'pkcs8', format: 'pem' }));
}
