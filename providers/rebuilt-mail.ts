/** A mail that a vendor took apart before it called. */
export interface MailInPieces {
  /** Header lines as they came (raw), or names and values in their order (decoded). */
  readonly headers: Buffer | readonly (readonly [name: string, value: string])[];
  readonly text: MailText | null;
  readonly html: MailText | null;
  readonly attachments: readonly PieceAttached[];
}

export interface MailText {
  readonly content: Buffer;
  /** As the vendor names it; the mail parser knows what to make of odd ones. */
  readonly charset: string;
}

export interface PieceAttached {
  readonly filename: string | null;
  readonly contentType: string;
  /** Without brackets; null where nothing refers to it. */
  readonly contentId: string | null;
  readonly content: Buffer;
}

/**
 * The mail as one source again (RFC 5322, header text in UTF-8 as RFC 6532 has it): the same pieces give the same
 * bytes, and every byte of theirs is in it.
 */
export function rebuildMail({ headers, text, html, attachments }: MailInPieces): Buffer {
  const given = Buffer.isBuffer(headers) ? rawLines(headers) : composedLines(headers);
  const lines = given.filter(({ name }) => !STRUCTURE.test(name)).map(({ line }) => line);
  const report = given.map(({ line }) => REPORT.exec(line.toString('latin1'))?.[1]).find(Boolean);
  const body = bodyPart(text, html, attachments, report ?? null);
  return Buffer.concat([
    ...lines.flatMap((line) => [line, CRLF]),
    Buffer.from('MIME-Version: 1.0\r\n'),
    body,
  ]);
}

const CRLF = Buffer.from('\r\n');
/** Headers of the structure that the mail had, and has no more. */
const STRUCTURE = /^(mime-version|content-(type|transfer-encoding|disposition|id))$/i;
/** A delivery report stays recognisable as one (RFC 6522). */
const REPORT = /^content-type:\s*multipart\/report\s*;[^]*?report-type\s*=\s*"?([a-z-]+)/i;

interface HeaderLine {
  readonly name: string;
  readonly line: Buffer;
}

/** Lines as they came, each with its folded rest. */
function rawLines(headers: Buffer): HeaderLine[] {
  // Latin-1 keeps every byte as it is.
  const unfolded = headers.toString('latin1').split(/\r?\n(?![ \t])/);
  return unfolded.flatMap((line) => {
    const name = /^([!-9;-~]+)[ \t]*:/.exec(line)?.[1];
    return name === undefined ? [] : [{ name, line: Buffer.from(line.trimEnd(), 'latin1') }];
  });
}

function composedLines(headers: readonly (readonly [string, string])[]): HeaderLine[] {
  return headers.flatMap(([name, value]) =>
    // A value holds no line end: what followed it would be a header of its own.
    /^[!-9;-~]+$/.test(name)
      ? [{ name, line: Buffer.from(`${name}: ${value.replace(/\p{Cc}+/gu, ' ').trim()}`) }]
      : [],
  );
}

function bodyPart(
  text: MailText | null,
  html: MailText | null,
  attachments: readonly PieceAttached[],
  report: string | null,
): Buffer {
  const shown = attachments.filter(({ contentId }) => contentId !== null && html !== null);
  const attached = attachments.filter((attachment) => !shown.includes(attachment));
  const texts = [
    ...(text || !html ? [textPart('plain', text ?? EMPTY)] : []),
    ...(html ? [textPart('html', html)] : []),
  ];
  const alternative = texts.length === 1 ? texts[0]! : multipart('alternative', '', texts);
  const related =
    shown.length === 0
      ? alternative
      : multipart('related', '', [alternative, ...shown.map(attachmentPart)]);
  const parts = [related, ...attached.map(attachmentPart)];
  if (report !== null) return multipart('report', `; report-type=${report}`, parts);
  return parts.length === 1 ? related : multipart('mixed', '', parts);
}

const EMPTY: MailText = { content: Buffer.alloc(0), charset: 'utf-8' };

function multipart(kind: string, parameters: string, parts: readonly Buffer[]): Buffer {
  // No line of base64 begins with a dash: the boundary can be the same in all mails.
  const boundary = `=_${kind}_in_pieces`;
  return Buffer.concat([
    Buffer.from(`Content-Type: multipart/${kind}${parameters}; boundary="${boundary}"\r\n\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`--${boundary}\r\n`), part, CRLF]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
}

function textPart(kind: 'plain' | 'html', { content, charset }: MailText): Buffer {
  return part([`Content-Type: text/${kind}; charset="${token(charset) || 'utf-8'}"`], content);
}

function attachmentPart({ filename, contentType, contentId, content }: PieceAttached): Buffer {
  const name = filename === null ? '' : `; filename*=UTF-8''${extended(filename)}`;
  return part(
    [
      `Content-Type: ${/^[\w.+-]+\/[\w.+-]+/.exec(contentType)?.[0] ?? 'application/octet-stream'}`,
      `Content-Disposition: ${contentId === null ? 'attachment' : 'inline'}${name}`,
      ...(contentId === null ? [] : [`Content-ID: <${contentId.replace(/[\s<>\p{Cc}]/gu, '')}>`]),
    ],
    content,
  );
}

function part(headers: readonly string[], content: Buffer): Buffer {
  const head = [...headers, 'Content-Transfer-Encoding: base64', '', ''].join('\r\n');
  return Buffer.from(head + content.toString('base64').replace(/.{76}(?=.)/g, '$&\r\n'));
}

function token(text: string): string {
  return text.replace(/[^\w.:+-]/g, '').slice(0, 40);
}

/** RFC 8187 value characters. */
function extended(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
