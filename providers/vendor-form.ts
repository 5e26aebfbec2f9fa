import busboy from 'busboy';
import { one, unreadable } from './cloud-mail.ts';
import type { DoorRequest } from './contract.ts';

/** A posted form, its values as bytes: what charset they are in is told elsewhere, or nowhere. */
export interface VendorForm {
  /** Each name's values, in the order they came. */
  readonly fields: ReadonlyMap<string, readonly Buffer[]>;
  readonly files: readonly FormFile[];
}

export interface FormFile {
  readonly field: string;
  readonly filename: string | null;
  readonly contentType: string;
  readonly content: Buffer;
}

/** More parts than any mail has attachments; a form with more is refused. */
const MOST_PARTS = 5000;

export class FormUnreadable extends Error {
  override name = 'FormUnreadable';
}

const read = new WeakMap<Buffer, Promise<VendorForm>>();

/** Reads `multipart/form-data` or `application/x-www-form-urlencoded`; the same body once. @throws FormUnreadable */
export function readForm(request: Pick<DoorRequest, 'headers' | 'body'>): Promise<VendorForm> {
  const known = read.get(request.body);
  if (known) return known;
  const form = formOf(one(request.headers['content-type']) ?? '', request.body);
  read.set(request.body, form);
  return form;
}

/** As `readForm`, of an authentic call. @throws DoorRefusal 400 */
export async function formOrRefusal(vendor: string, request: DoorRequest): Promise<VendorForm> {
  try {
    return await readForm(request);
  } catch (error) {
    if (error instanceof FormUnreadable) throw unreadable(vendor, error.message);
    throw error;
  }
}

/** The first value of a field, as UTF-8 text; undefined where there is none. */
export function textOf({ fields }: VendorForm, name: string): string | undefined {
  return fields.get(name)?.[0]?.toString();
}

async function formOf(contentType: string, body: Buffer): Promise<VendorForm> {
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType)) return urlEncoded(body);
  if (/^multipart\/form-data\b/i.test(contentType)) return multipart(contentType, body);
  throw new FormUnreadable('it is no form');
}

function urlEncoded(body: Buffer): VendorForm {
  const fields = new Map<string, Buffer[]>();
  let count = 0;
  for (let from = 0; from < body.length;) {
    const next = body.indexOf('&', from);
    const end = next < 0 ? body.length : next;
    const pair = body.subarray(from, end);
    from = end + 1;
    if (pair.length === 0) continue;
    if (++count > MOST_PARTS) throw new FormUnreadable('it has too many fields');
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.subarray(0, equals);
    add(
      fields,
      unescaped(name).toString(),
      unescaped(equals < 0 ? EMPTY : pair.subarray(equals + 1)),
    );
  }
  return { fields, files: [] };
}

const EMPTY = Buffer.alloc(0);

/** The bytes, whatever charset they are in; byte by byte, because a mail of megabytes may come so. */
function unescaped(escaped: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(escaped.length);
  let length = 0;
  for (let at = 0; at < escaped.length; at++) {
    const byte = escaped[at]!;
    const value = byte === PERCENT ? hexAt(escaped, at + 1) : -1;
    if (value >= 0) at += 2;
    bytes[length++] = value >= 0 ? value : byte === PLUS ? SPACE : byte;
  }
  return bytes.subarray(0, length);
}

const [PERCENT, PLUS, SPACE] = [0x25, 0x2b, 0x20];

/** The byte that two hexadecimal digits mean; -1 where they are none. */
function hexAt(bytes: Buffer, at: number): number {
  const high = digit(bytes[at]);
  const low = digit(bytes[at + 1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function digit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function multipart(contentType: string, body: Buffer): Promise<VendorForm> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, Buffer[]>();
    const files: FormFile[] = [];
    const fail = (why: string) => reject(new FormUnreadable(why));
    const parser = parserFor(contentType, body.length);
    if (typeof parser === 'string') return fail(parser);
    // No part names a charset of its own at these vendors: Latin-1 keeps every byte as it is.
    parser.on('field', (name, value) => add(fields, name, Buffer.from(value, 'latin1')));
    parser.on('file', (field, stream, { filename, mimeType }) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () =>
        files.push({
          field,
          filename: filename || null, // busboy gives undefined where the part has none
          contentType: mimeType,
          content: Buffer.concat(chunks),
        }),
      );
      stream.once('error', (error: Error) => fail(error.message));
    });
    parser.once('partsLimit', () => fail('it has too many parts'));
    parser.once('error', (error) => fail(error instanceof Error ? error.message : 'it is broken'));
    parser.once('close', () => resolve({ fields, files }));
    parser.end(body);
  });
}

function parserFor(contentType: string, size: number): busboy.Busboy | string {
  try {
    return busboy({
      headers: { 'content-type': contentType },
      defCharset: 'latin1',
      defParamCharset: 'utf8',
      limits: { fieldSize: size, fieldNameSize: 1000, parts: MOST_PARTS, headerPairs: 100 },
    });
  } catch (error) {
    return error instanceof Error ? error.message : 'it is broken';
  }
}

function add(fields: Map<string, Buffer[]>, name: string, value: Buffer): void {
  const values = fields.get(name);
  if (values) values.push(value);
  else fields.set(name, [value]);
}
