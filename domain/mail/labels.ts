import { decodeBytes } from './charset.ts';
import { parseStructured, type MailHeaders } from './headers.ts';
import type { MailPart } from './mime.ts';

export type SecurityLabel = 'smime_signed' | 'smime_encrypted' | 'pgp_signed' | 'pgp_encrypted';

/** How a mail is signed or encrypted (RFC 8551, RFC 3156), by its form alone: nothing is verified. */
export function securityLabels(
  headers: MailHeaders,
  parts: readonly MailPart[],
  text: string,
): SecurityLabel[] {
  const root = parseStructured(headers.raw('content-type'));
  const protocol = (root.params['protocol'] ?? '').toLowerCase();
  const labels = new Set<SecurityLabel>();
  for (const { contentType, params } of [
    { contentType: root.value, params: root.params },
    ...parts,
  ]) {
    const label = labelOf(contentType, params['smime-type'] ?? '');
    if (label) labels.add(label);
  }
  if (root.value === 'multipart/encrypted' || /pgp-encrypted/.test(protocol)) {
    labels.add('pgp_encrypted');
  }
  if (/^-----BEGIN PGP MESSAGE-----/m.test(text)) labels.add('pgp_encrypted');
  if (/^-----BEGIN PGP SIGNED MESSAGE-----/m.test(text)) labels.add('pgp_signed');
  return [...labels];
}

function labelOf(contentType: string, smimeType: string): SecurityLabel | null {
  if (/^application\/(x-)?pkcs7-signature$/.test(contentType)) return 'smime_signed';
  if (/^application\/(x-)?pkcs7-mime$/.test(contentType)) {
    return smimeType === 'signed-data' ? 'smime_signed' : 'smime_encrypted';
  }
  if (contentType === 'application/pgp-signature') return 'pgp_signed';
  return contentType === 'application/pgp-encrypted' ? 'pgp_encrypted' : null;
}

export interface CalendarSummary {
  /** REQUEST, REPLY, CANCEL … (RFC 5546), or null for a mere file. */
  method: string | null;
  uid: string | null;
  summary: string | null;
  location: string | null;
  /** As written: local times need the time zones that stand in the file. */
  starts: string | null;
  ends: string | null;
}

/** The first event of a mail's calendar part (RFC 5545), or null where it has none. */
export function calendarSummary(parts: readonly MailPart[]): CalendarSummary | null {
  const part = parts.find(({ contentType }) =>
    /^(text\/calendar|application\/ics)$/.test(contentType),
  );
  if (!part?.start) return null;
  const text = decodeBytes(part.start, part.params['charset'] ?? 'utf-8').replace(
    /\r?\n[ \t]/g,
    '',
  );
  const event = text.slice(Math.max(0, text.search(/^BEGIN:VEVENT/m)));
  return {
    method: property(text, 'METHOD')?.toUpperCase() ?? null,
    uid: property(event, 'UID'),
    summary: property(event, 'SUMMARY'),
    location: property(event, 'LOCATION'),
    starts: property(event, 'DTSTART'),
    ends: property(event, 'DTEND'),
  };
}

function property(text: string, name: string): string | null {
  const value = new RegExp(`^${name}(?:;[^:\\n]{0,200})?:(.{1,500})`, 'im').exec(text)?.[1];
  return (
    value
      ?.replace(/\\n/gi, ' ')
      .replace(/\\([,;\\])/g, '$1')
      .trim() || null
  );
}
