import { safeFilename } from '../domain/mail/filenames.ts';

/** A media type as RFC 9110 writes it, or `application/octet-stream` for anything else. */
export function safeContentType(text: string | undefined): string {
  const type = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+/.exec(text ?? '')?.[0];
  return type ? type.toLowerCase() : 'application/octet-stream';
}

/** `attachment` with a plain and a UTF-8 file name (RFC 6266), so that no browser shows it in place. */
export function asAttachment(filename: string | null): string {
  const name = safeFilename(filename ?? '') || 'attachment';
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replaceAll(
    /['()*!]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** Headers for bytes that a stranger wrote. */
export function strangeBytes(contentType: string, filename: string | null): Record<string, string> {
  return {
    'Content-Type': safeContentType(contentType),
    'Content-Disposition': asAttachment(filename),
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox",
  };
}

/** The file name of an upload's Content-Disposition, or null. */
export function uploadedName(disposition: string | undefined): string | null {
  const encoded = /filename\*=UTF-8''([^;\s]+)/i.exec(disposition ?? '')?.[1];
  if (encoded !== undefined) return decoded(encoded);
  const quoted = /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition ?? '')?.[1];
  return (
    quoted?.replaceAll(/\\(.)/g, '$1') ??
    /filename=([^;"\s]+)/i.exec(disposition ?? '')?.[1] ??
    null
  );
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // not UTF-8: the name is left to the query or the default
  }
}
