import { createHash } from 'node:crypto';
import { attachmentHeaders } from './headers.ts';
import { encodeText, type Language } from './languages.ts';
import type { Random } from './random.ts';

/** Header lines without their line ends, and the body as it is transmitted. */
export interface Part {
  readonly headers: readonly string[];
  readonly body: Buffer;
}

export interface AttachmentTruth {
  readonly filename: string;
  readonly sha256: string;
  readonly size: number;
  readonly inline: boolean;
}

export interface GeneratedAttachment {
  readonly truth: AttachmentTruth;
  readonly part: Part;
  readonly contentId: string | null;
}

/** `text/plain` or `text/html` in the language's charset, by any transfer encoding that can carry it. */
export function textPart(
  subtype: 'plain' | 'html',
  text: string,
  language: Language,
  random: Random,
): Part {
  const bytes = encodeText(text.replaceAll('\n', '\r\n'), language.charset);
  const isSevenBit = bytes.every((byte) => byte < 0x80);
  const encoding = random.pick(
    isSevenBit
      ? (['7bit', 'quoted-printable', 'base64'] as const)
      : (['8bit', 'quoted-printable', 'base64'] as const),
  );
  const label = random.chance(0.3) ? `"${language.charset.toUpperCase()}"` : language.charset;
  return {
    headers: [
      `Content-Type: text/${subtype}; charset=${label}`,
      `Content-Transfer-Encoding: ${encoding}`,
    ],
    body: transferEncoded(bytes, encoding),
  };
}

export function multipart(
  subtype: string,
  parts: readonly Part[],
  random: Random,
  parameters = '',
): Part {
  const boundary = `=_${random.hex(24)}`;
  const chunks = parts.flatMap(({ headers, body }) => [
    Buffer.from(`--${boundary}\r\n${headers.join('\r\n')}\r\n\r\n`),
    body,
    CRLF,
  ]);
  return {
    headers: [`Content-Type: multipart/${subtype}${parameters};\r\n boundary="${boundary}"`],
    body: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

/** An attachment of random bytes; `shown` makes it a picture that the HTML refers to by its id. */
export function attachment(
  { filename, size, shown }: { filename: string; size: number; shown: boolean },
  language: Language,
  random: Random,
): GeneratedAttachment {
  const bytes = random.bytes(size);
  const type = shown ? 'image/png' : random.pick(['application/pdf', 'application/octet-stream']);
  const contentId = shown ? `${random.hex(12)}@pictures.example` : null;
  return {
    contentId,
    truth: {
      filename,
      size,
      inline: shown,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    },
    part: {
      headers: [
        ...attachmentHeaders(type, shown ? 'inline' : 'attachment', filename, language, random),
        ...(contentId === null ? [] : [`Content-ID: <${contentId}>`]),
        'Content-Transfer-Encoding: base64',
      ],
      body: transferEncoded(bytes, 'base64'),
    },
  };
}

/** A whole mail from its own header lines and its content. */
export function mail(headers: readonly string[], content: Part): Buffer {
  const lines = [...headers, 'MIME-Version: 1.0', ...content.headers];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), content.body]);
}

type TransferEncoding = '7bit' | '8bit' | 'quoted-printable' | 'base64';

function transferEncoded(bytes: Buffer, encoding: TransferEncoding): Buffer {
  switch (encoding) {
    case '7bit':
    case '8bit':
      return bytes;
    case 'base64':
      return Buffer.from(
        bytes.toString('base64').replace(/.{76}/g, '$&\r\n').replace(/\r\n$/, ''),
        'latin1',
      );
    case 'quoted-printable':
      return Buffer.from(quotedPrintable(bytes), 'latin1');
  }
}

/** RFC 2045 §6.7: lines of at most 76 characters, line ends kept. */
function quotedPrintable(bytes: Buffer): string {
  const lines = bytes.toString('latin1').split('\r\n');
  return lines
    .map((line) => {
      let out = '';
      let width = 0;
      for (let at = 0; at < line.length; at++) {
        const character = line[at]!;
        const isLast = at === line.length - 1;
        const isPlain = /[!-<>-~]/.test(character) || (/[ \t]/.test(character) && !isLast);
        const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
        const written = isPlain ? character : `=${code}`;
        if (width + written.length > 75) {
          out += '=\r\n';
          width = 0;
        }
        out += written;
        width += written.length;
      }
      return out;
    })
    .join('\r\n');
}

const CRLF = Buffer.from('\r\n');
