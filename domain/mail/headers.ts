import libmime from 'libmime';
import { decodeBytes } from './charset.ts';

const headLimit = 512 * 1024;
const lineLimit = 10_000;

/** Header lines of a mail or part, in order, values unfolded but otherwise raw (latin1 bytes). */
export class MailHeaders {
  readonly lines: readonly { name: string; raw: string }[];

  constructor(lines: readonly { name: string; raw: string }[]) {
    this.lines = lines;
  }

  /**
   * Reads the header block at the head of `source`; what isn't a header line is passed over. At
   * most 10,000 lines in 512 KiB are read, far beyond any honest mail.
   */
  static read(source: Buffer): MailHeaders {
    const lines: { name: string; raw: string }[] = [];
    const text = source.toString('latin1', 0, headLimit);
    for (const line of text.split(/\r?\n|\r/, lineLimit)) {
      if (line === '') break;
      const last = lines.at(-1);
      const field = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:(.*)$/s.exec(line);
      if (/^[ \t]/.test(line)) {
        if (last) last.raw += ` ${line.trim()}`;
      } else if (field) {
        lines.push({ name: field[1]!.toLowerCase(), raw: field[2]!.trim() });
      } else if (lines.length > 0 && !line.startsWith('>From ') && !looksLikeHeader(line)) {
        break;
      }
    }
    return new MailHeaders(lines);
  }

  /** Raw value of the first header of that name, or null. */
  raw(name: string): string | null {
    return this.lines.find((line) => line.name === name)?.raw ?? null;
  }

  /** Raw values of every header of that name, top to bottom. */
  rawAll(name: string): string[] {
    return this.lines.filter((line) => line.name === name).map((line) => line.raw);
  }

  /** Decoded text of the first header of that name, or null where it is missing or blank. */
  text(name: string): string | null {
    const raw = this.raw(name);
    return raw === null ? null : decodeHeaderText(raw) || null;
  }

  has(name: string): boolean {
    return this.raw(name) !== null;
  }
}

// A header whose line was broken in transit ("Received from x") must not end the block.
function looksLikeHeader(line: string): boolean {
  return /^From |^[A-Za-z-]+[ \t]+[^ ]/.test(line) && line.length < 1000;
}

/** Raw header bytes as text: 8-bit bytes by their charset, then encoded words (RFC 2047). */
export function decodeHeaderText(raw: string): string {
  return clean(decodeEncodedWords(decodeRawBytes(raw)));
}

/** Raw header bytes as text, encoded words left as they are. */
export function decodeRawBytes(raw: string): string {
  return decodeBytes(Buffer.from(raw, 'latin1'), null);
}

/** Encoded words decoded, broken ones left as they are; adjacent ones joined before decoding. */
export function decodeEncodedWords(text: string): string {
  if (!text.includes('=?')) return text;
  try {
    return libmime.decodeWords(text);
  } catch {
    return text;
  }
}

function clean(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is removed
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
}

/** Structured header: its value and parameters, with RFC 2231 continuations joined. */
export function parseStructured(raw: string | null): {
  value: string;
  params: Record<string, string>;
} {
  if (raw === null) return { value: '', params: {} };
  const parsed = libmime.parseHeaderValue(decodeRawBytes(raw));
  return { value: parsed.value.toLowerCase().trim(), params: parsed.params };
}

/** Message ids of a header, in its order, without brackets, blanks, control characters or repetitions. */
export function parseMessageIds(raw: string | null): string[] {
  if (raw === null) return [];
  const text = decodeEncodedWords(decodeRawBytes(raw));
  const bracketed = [...text.matchAll(/<([^<>]{1,998})>/g)].map((m) => m[1]!);
  const ids =
    bracketed.length > 0
      ? bracketed
      : text.split(/[\s,<>]+/).filter((word) => word.length <= 998 && word.includes('@'));
  const bare = ids.map((id) => id.replace(/[\s\p{Cc}]+/gu, '')).filter((id) => id !== '');
  return [...new Set(bare)];
}

const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const zones: Record<string, number> = {
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
};

/** Time of a Date header (RFC 5322 §3.3 and its obsolete forms), or null where it is none. */
export function parseMailDate(raw: string | null): Date | null {
  if (raw === null) return null;
  const text = raw.replace(/\([^()]*\)/g, ' ').trim();
  const field =
    /(\d{1,2})[\s-]+([a-z]{3})[a-z]*\.?[\s-]+(\d{2,4})[\s,]+(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2}))?(?:\.\d+)?\s*([+-]\s*\d{3,4}|[a-z]{1,5})?/i.exec(
      text,
    );
  if (field) return fromFields(field);
  const iso = Date.parse(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text) ? asIso(text) : '');
  return Number.isNaN(iso) ? null : new Date(iso);
}

function asIso(text: string): string {
  const stamp = text.replace(' ', 'T').replace(/\s+/g, '');
  return /(z|[+-]\d\d:?\d\d)$/i.test(stamp) ? stamp : `${stamp}Z`;
}

function fromFields(field: RegExpExecArray): Date | null {
  const [, day, monthName, yearText, hour, minute, second = '0', zone = ''] = field;
  const month = months.indexOf(monthName!.toLowerCase());
  if (month < 0) return null;
  let year = Number(yearText);
  if (yearText!.length < 4) year += year < 50 ? 2000 : 1900;
  const utc = Date.UTC(year, month, Number(day), Number(hour), Number(minute), Number(second));
  const time = utc - zoneMinutes(zone.replace(/\s+/g, '')) * 60_000;
  return Number.isNaN(time) ? null : new Date(time);
}

function zoneMinutes(zone: string): number {
  const offset = /^([+-])(\d{1,2})(\d\d)$/.exec(zone);
  if (!offset) return zones[zone.toLowerCase()] ?? 0;
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return offset[1] === '-' ? -minutes : minutes;
}
