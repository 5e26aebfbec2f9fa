import { encodeText, type Language } from './languages.ts';
import type { Person } from './people.ts';
import type { Random } from './random.ts';

/** Payload that one encoded word may carry, so that the whole stays within 75 characters (RFC 2047 §2). */
const WORD_BYTES = 30;

/** Text of a Subject or a display name, as its sender's mail program writes it: folded, in Q or B. */
export function headerText(text: string, language: Language, random: Random): string {
  if (isAscii(text)) return text;
  const encoding = random.pick(['B', 'Q'] as const);
  const words = cut(text, language, random).map((bytes) => {
    const payload = encoding === 'B' ? bytes.toString('base64') : asQ(bytes);
    return `=?${language.charset}?${encoding}?${payload}?=`;
  });
  return words.join('\r\n ');
}

/** A display name and address. */
export function mailbox(person: Person, random: Random): string {
  if (person.name === '') return person.address;
  const name = isAscii(person.name)
    ? `"${person.name}"`
    : headerText(person.name, person.language, random);
  return `${name} <${person.address}>`;
}

/** `Content-Disposition` and, where the name stands there, `Content-Type` of an attachment. */
export function attachmentHeaders(
  type: string,
  disposition: 'attachment' | 'inline',
  filename: string,
  language: Language,
  random: Random,
): string[] {
  if (isAscii(filename))
    return [
      `Content-Type: ${type}; name="${filename}"`,
      `Content-Disposition: ${disposition}; filename="${filename}"`,
    ];
  switch (random.pick(['2231', '2231 continued', '2047', '2047 in type'] as const)) {
    case '2231':
      return [
        `Content-Type: ${type}`,
        `Content-Disposition: ${disposition};\r\n filename*=${language.charset}''${percent(encodeText(filename, language.charset))}`,
      ];
    case '2231 continued':
      return [
        `Content-Type: ${type}`,
        `Content-Disposition: ${disposition};\r\n ${continued(filename, language)}`,
      ];
    case '2047':
      return [
        `Content-Type: ${type}`,
        `Content-Disposition: ${disposition};\r\n filename="${headerText(filename, language, random)}"`,
      ];
    case '2047 in type':
      return [
        `Content-Type: ${type};\r\n name="${headerText(filename, language, random)}"`,
        `Content-Disposition: ${disposition}`,
      ];
  }
}

/** RFC 2231 §3: the charset stands in the first part; parts are cut at any byte. */
function continued(filename: string, language: Language): string {
  const bytes = encodeText(filename, language.charset);
  const parts: string[] = [];
  for (let from = 0; from < bytes.length; from += 12)
    parts.push(percent(bytes.subarray(from, from + 12)));
  return parts
    .map((part, at) => `filename*${at}*=${at === 0 ? `${language.charset}''` : ''}${part}`)
    .join(';\r\n ');
}

function percent(bytes: Buffer): string {
  return [...bytes]
    .map((byte) =>
      /[A-Za-z0-9._-]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `%${hex(byte)}`,
    )
    .join('');
}

/** Only what may stand in a phrase, too (RFC 2047 §5 rule 3). */
function asQ(bytes: Buffer): string {
  return [...bytes]
    .map((byte) => {
      if (byte === 0x20) return '_';
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9]/.test(character) ? character : `=${hex(byte)}`;
    })
    .join('');
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

/**
 * Pieces for encoded words. Careful programs cut between characters; some cut the bytes wherever the
 * line is full, inside a character.
 */
function cut(text: string, language: Language, random: Random): Buffer[] {
  const { charset } = language;
  if (language.isStatelessMultibyte && random.chance(0.3)) {
    const bytes = encodeText(text, charset);
    const pieces: Buffer[] = [];
    for (let from = 0; from < bytes.length; from += 15)
      pieces.push(bytes.subarray(from, from + 15));
    return pieces;
  }
  const pieces: string[] = [''];
  for (const character of text) {
    const longer = pieces.at(-1)! + character;
    if (encodeText(longer, charset).length * 3 > WORD_BYTES * 1.5) pieces.push(character);
    else pieces[pieces.length - 1] = longer;
  }
  return pieces.map((piece) => encodeText(piece, charset));
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
