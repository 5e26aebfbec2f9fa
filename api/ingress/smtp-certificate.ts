import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { makeSelfSigned, type SelfSigned } from '../../security/self-signed-certificate.ts';

const RENEW_BEFORE_MS = 30 * 86_400_000;

/** The mail door's own certificate, kept in the state folder; made when missing, unreadable, or about to expire. */
export function doorCertificate(home: string, host: string): SelfSigned {
  const file = join(home, 'mail-door.pem');
  const kept = readKept(file);
  if (kept) return kept;
  const made = makeSelfSigned([hostname() || 'localhost', 'localhost', '127.0.0.1', host]);
  mkdirSync(home, { recursive: true });
  writeFileSync(file, made.cert + made.key, { mode: 0o600 });
  chmodSync(file, 0o600); // an older file keeps its mode when it is written anew
  return made;
}

function readKept(file: string): SelfSigned | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null; // not made yet
  }
  const [cert, key] = text.match(/-----BEGIN [^]+?-----END [A-Z ]+-----\n/g) ?? [];
  if (cert === undefined || key === undefined) return null;
  const expires = Date.parse(new X509Certificate(cert).validTo);
  return expires - Date.now() > RENEW_BEFORE_MS ? { cert, key } : null;
}
