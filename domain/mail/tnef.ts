import { decodeBytes } from './charset.ts';

// Outlook's winmail.dat: Transport Neutral Encapsulation Format (MS-OXTNEF).

export interface TnefFile {
  filename: string | null;
  contentType: string | null;
  contentId: string | null;
  content: Buffer;
}

export interface Tnef {
  files: TnefFile[];
  /** The message's own text, where Outlook put it here alone. */
  text: string | null;
  html: string | null;
}

export class TnefError extends Error {
  override name = 'TnefError';
}

const signature = 0x223e9f78;
const attribute = {
  attachmentBegins: 0x00069002,
  attachmentTitle: 0x00018010,
  attachmentData: 0x0006800f,
  attachmentProperties: 0x00069005,
  messageProperties: 0x00069003,
  codepage: 0x00069007,
} as const;
const property = {
  body: 0x1000,
  html: 0x1013,
  data: 0x3701,
  longFilename: 0x3707,
  displayName: 0x3001,
  mimeType: 0x370e,
  contentId: 0x3712,
} as const;
const fileLimit = 1000;
const depthLimit = 5;

export function isTnef(contentType: string, filename: string | null): boolean {
  return (
    /^application\/(vnd\.)?ms-tnef$/.test(contentType) ||
    (/^winmail\.dat$/i.test(filename ?? '') && contentType === 'application/octet-stream')
  );
}

/**
 * Files and text of a TNEF stream, files of mails nested in it included. What follows a cut is left out; every file is
 * a view of `bytes`, so that memory stays what it was.
 * @throws TnefError where it is none.
 */
export function readTnef(bytes: Buffer, depth = 0): Tnef {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== signature)
    throw new TnefError('It does not begin as TNEF does.');
  const found: Tnef = { files: [], text: null, html: null };
  let codepage: string | null = null;
  let file: TnefFile | null = null;
  for (const { id, value } of attributes(bytes)) {
    if (id === attribute.codepage && value.length >= 4) {
      codepage = `windows-${value.readUInt32LE(0)}`;
    } else if (id === attribute.attachmentBegins && found.files.length < fileLimit) {
      file = { filename: null, contentType: null, contentId: null, content: Buffer.alloc(0) };
      found.files.push(file);
    } else if (id === attribute.attachmentTitle && file) {
      file.filename ??= ansi(value, codepage);
    } else if (id === attribute.attachmentData && file) {
      file.content = value;
    } else if (id === attribute.attachmentProperties && file) {
      found.files.push(...describe(file, value, codepage, depth));
    } else if (id === attribute.messageProperties) {
      readBody(found, value, codepage);
    }
  }
  found.files = found.files.filter(({ content }) => content.length > 0);
  return found;
}

function* attributes(bytes: Buffer): Generator<{ id: number; value: Buffer }> {
  for (let at = 6; at + 11 <= bytes.length;) {
    const id = bytes.readUInt32LE(at + 1);
    const length = bytes.readUInt32LE(at + 5);
    const end = at + 9 + length;
    if (end > bytes.length) return;
    yield { id, value: bytes.subarray(at + 9, end) };
    at = end + 2;
  }
}

/** Names the file by its properties; returns the files of a mail that is nested in it. */
function describe(
  file: TnefFile,
  properties: Buffer,
  codepage: string | null,
  depth: number,
): TnefFile[] {
  const nested: TnefFile[] = [];
  for (const { id, type, value } of mapiProperties(properties)) {
    if (id === property.longFilename) file.filename = text(type, value, codepage);
    else if (id === property.displayName) file.filename ??= text(type, value, codepage);
    else if (id === property.mimeType) file.contentType = text(type, value, codepage);
    else if (id === property.contentId) file.contentId = text(type, value, codepage);
    else if (id === property.data && value.length > 16) {
      // An object begins with the 16 bytes of its interface's id.
      const content = type === objectType ? value.subarray(16) : value;
      const inner = type === objectType ? innerFiles(content, depth) : null;
      if (inner) nested.push(...inner);
      else if (file.content.length === 0) file.content = content;
    }
  }
  return nested;
}

function innerFiles(content: Buffer, depth: number): TnefFile[] | null {
  if (depth >= depthLimit || content.length < 4 || content.readUInt32LE(0) !== signature)
    return null;
  const { files, html, text: said } = readTnef(content, depth + 1);
  const body = html ?? said;
  if (body === null) return files;
  const written = {
    filename: html === null ? 'message.txt' : 'message.html',
    contentType: html === null ? 'text/plain' : 'text/html',
    contentId: null,
    content: Buffer.from(body),
  };
  return [written, ...files];
}

function readBody(found: Tnef, properties: Buffer, codepage: string | null): void {
  for (const { id, type, value } of mapiProperties(properties)) {
    if (id === property.body) found.text = text(type, value, codepage);
    else if (id === property.html) found.html = decodeBytes(trimNul(value), codepage);
  }
}

const objectType = 0x0d;
const unicodeType = 0x1f;
const variableTypes = new Set([0x0d, 0x1e, 0x1f, 0x102]);
const fixedSizes: Readonly<Record<number, number>> = {
  0x01: 4,
  0x02: 4,
  0x03: 4,
  0x04: 4,
  0x05: 8,
  0x06: 8,
  0x07: 8,
  0x0a: 4,
  0x0b: 4,
  0x14: 8,
  0x40: 8,
  0x48: 16,
};

/** Properties in their order; ends at the first that can't be followed (MS-OXTNEF §2.1.3.4). */
function* mapiProperties(bytes: Buffer): Generator<{ id: number; type: number; value: Buffer }> {
  let at = 4;
  const number = (): number => {
    const value = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Number.NaN;
    at += 4;
    return value;
  };
  const count = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
  for (let read = 0; read < count && at + 4 <= bytes.length; read++) {
    const type = bytes.readUInt16LE(at);
    const id = bytes.readUInt16LE(at + 2);
    at += 4;
    if (id >= 0x8000) {
      at += 16;
      if (number() === 0) at += 4;
      else at += padded(number());
    }
    const base = type & 0x0fff;
    const isVariable = variableTypes.has(base);
    const values = (type & 0x1000) !== 0 || isVariable ? number() : 1;
    let value: Buffer = Buffer.alloc(0);
    for (let index = 0; index < values; index++) {
      const length = isVariable ? number() : (fixedSizes[base] ?? Number.NaN);
      // Also where it is not a number.
      if (!(at + length <= bytes.length)) return;
      if (index === 0) value = bytes.subarray(at, at + length);
      at += padded(length);
    }
    if (Number.isNaN(at)) return;
    yield { id, type: base, value };
  }
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function text(type: number, value: Buffer, codepage: string | null): string {
  return type === unicodeType
    ? value.toString('utf16le').replace(/\0.*$/s, '')
    : ansi(value, codepage);
}

function ansi(value: Buffer, codepage: string | null): string {
  return decodeBytes(trimNul(value), codepage);
}

function trimNul(value: Buffer): Buffer {
  const end = value.indexOf(0);
  return end < 0 ? value : value.subarray(0, end);
}
