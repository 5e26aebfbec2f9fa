import libmime from 'libmime';

const longestName = 200;

/**
 * A file name that is safe to store and show: no path, no control or direction-changing
 * characters, at most 200 characters with its extension kept. Empty where nothing is left.
 */
export function safeFilename(name: string): string {
  const last = name.normalize('NFC').split(/[\\/]/).at(-1) ?? '';
  const shown = last
    .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c\ufeff]/gu, '')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/\s+/g, ' ')
    .trim();
  return /^\.*$/.test(shown) ? '' : shorten(shown);
}

function shorten(name: string): string {
  if (name.length <= longestName) return name;
  const extension = /\.[^.\s]{1,16}$/u.exec(name)?.[0] ?? '';
  return name.slice(0, longestName - extension.length).trimEnd() + extension;
}

export interface NameSources {
  filename: string | null;
  contentLocation: string | null;
  contentId: string | null;
  contentType: string;
  /** Subject of the mail that is attached, for message/rfc822. */
  nestedSubject: string | null;
}

/** The best name an attachment has: its own, else from location, nested subject, id or type. */
export function nameAttachment(sources: NameSources, position: number): string {
  const given = safeFilename(sources.filename ?? '');
  if (given !== '') return given;
  const extension = extensionOf(sources.contentType);
  const location = safeFilename((sources.contentLocation ?? '').replace(/[?#].*$/s, ''));
  if (/\.[a-z0-9]{1,8}$/i.test(location)) return location;
  const subject = safeFilename((sources.nestedSubject ?? '').replace(/[\\/]/g, '-'));
  if (subject !== '') return shorten(`${subject}${extension}`);
  const id = safeFilename((sources.contentId ?? '').replace(/@.*$/s, ''));
  if (id !== '') return /\.[a-z0-9]{1,8}$/i.test(id) ? id : shorten(`${id}${extension}`);
  return `attachment-${position}${extension}`;
}

const extensions: Record<string, string> = {
  'message/rfc822': '.eml',
  'message/global': '.eml',
  'message/delivery-status': '.txt',
  'message/global-delivery-status': '.txt',
  'text/rfc822-headers': '.txt',
  'text/calendar': '.ics',
  'application/ics': '.ics',
  'application/ms-tnef': '.dat',
  'application/pgp-signature': '.asc',
  'application/pgp-encrypted': '.asc',
  'application/pkcs7-mime': '.p7m',
  'application/x-pkcs7-mime': '.p7m',
  'application/pkcs7-signature': '.p7s',
  'application/x-pkcs7-signature': '.p7s',
  'image/jpeg': '.jpg',
  'text/plain': '.txt',
};

function extensionOf(contentType: string): string {
  return extensions[contentType] ?? `.${libmime.detectExtension(contentType) || 'bin'}`;
}

/** Names made unique within one message: "a.pdf", "a (2).pdf" …, compared without case. */
export function uniqueNames(): (name: string) => string {
  const taken = new Set<string>();
  // Counted per name, since a mail may have thousands of one name.
  const copies = new Map<string, number>();
  return (name) => {
    let candidate = name;
    let copy = copies.get(name.toLowerCase()) ?? 1;
    while (taken.has(candidate.toLowerCase())) {
      copy++;
      candidate = name.replace(/(\.[^.\s]{1,16})?$/u, (extension) => ` (${copy})${extension}`);
    }
    copies.set(name.toLowerCase(), copy);
    taken.add(candidate.toLowerCase());
    return candidate;
  };
}
