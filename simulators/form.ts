import { randomUUID } from 'node:crypto';

/** A part of a form: text or bytes, with a file name where it is a file. */
export interface FormPart {
  readonly name: string;
  readonly value: string | Buffer;
  readonly filename?: string;
  readonly contentType?: string;
}

export interface EncodedForm {
  readonly headers: { readonly 'content-type': string };
  readonly body: Buffer;
}

/** `multipart/form-data` (RFC 7578) of bytes that may be in any charset. */
export function multipartForm(parts: readonly FormPart[]): EncodedForm {
  const boundary = `form-${randomUUID()}`;
  const encoded = parts.map(({ name, value, filename, contentType }) => {
    const file = filename === undefined ? '' : `; filename="${filename.replace(/"/g, '%22')}"`;
    const type = contentType === undefined ? '' : `\r\nContent-Type: ${contentType}`;
    return Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}${type}\r\n\r\n`,
      ),
      Buffer.from(value as string), // a Buffer is taken as it is
      Buffer.from('\r\n'),
    ]);
  });
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat([...encoded, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

/** `application/x-www-form-urlencoded`; every byte that is no letter or digit is escaped. */
export function urlEncodedForm(parts: readonly FormPart[]): EncodedForm {
  const escaped = (value: string | Buffer) =>
    Buffer.from(value as string) // a Buffer is taken as it is
      .toString('latin1')
      .replace(/[^A-Za-z0-9]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(
      parts.map(({ name, value }) => `${escaped(name)}=${escaped(value)}`).join('&'),
    ),
  };
}
