import encodingJapanese from 'encoding-japanese';
import iconv from 'iconv-lite';

// Labels lie: each is read as the superset that real senders mean by it (WHATWG Encoding).
const supersets: Record<string, string> = {
  ascii: 'windows-1252',
  usascii: 'windows-1252',
  'ansix3.4-1968': 'windows-1252',
  latin1: 'windows-1252',
  iso88591: 'windows-1252',
  iso88599: 'windows-1254',
  iso885911: 'windows-874',
  tis620: 'windows-874',
  gb2312: 'gb18030',
  gbk: 'gb18030',
  cp936: 'gb18030',
  xgbk: 'gb18030',
  euccn: 'gb18030',
  hzgb2312: 'gb18030',
  ksc56011987: 'cp949',
  ksc5601: 'cp949',
  euckr: 'cp949',
  uhc: 'cp949',
  big5: 'big5hkscs',
  cnbig5: 'big5hkscs',
  xsjis: 'cp932',
  shiftjis: 'cp932',
  sjis: 'cp932',
  windows31j: 'cp932',
  iso88598i: 'iso-8859-8',
  iso88598e: 'iso-8859-8',
  utf7: 'utf-7',
  unicode11utf7: 'utf-7',
  xmaccyrillic: 'maccyrillic',
  macintosh: 'macroman',
};

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** UTF-8 text, or null where the bytes are not valid UTF-8. */
function asUtf8(bytes: Uint8Array): string | null {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}

function hasJapaneseEscape(bytes: Buffer): boolean {
  return bytes.includes('\x1b$', 0, 'latin1') || bytes.includes('\x1b(', 0, 'latin1');
}

function hasHighByte(bytes: Buffer): boolean {
  return bytes.some((byte) => byte > 0x7f);
}

function fromIso2022Jp(bytes: Buffer): string {
  return encodingJapanese.convert(bytes, { to: 'UNICODE', from: 'JIS', type: 'string' });
}

/**
 * Bytes of a mail as text, whatever they were labelled as.
 *
 * Valid UTF-8 with non-ASCII bytes is taken as UTF-8 under any single-byte label, since text in
 * another charset almost never happens to be valid UTF-8; bytes that are not valid in their
 * label's charset, or have none, are read as windows-1252. Never throws.
 */
export function decodeBytes(bytes: Buffer, label: string | null): string {
  const name = (label ?? '')
    .trim()
    .toLowerCase()
    .replace(/^["']|["']$/g, '');
  const key = name.replace(/[^a-z0-9.]/g, '');
  if (/^(x)?(iso2022jp|jis|csiso2022jp)/.test(key) || hasJapaneseEscape(bytes)) {
    return fromIso2022Jp(bytes);
  }
  if (!hasHighByte(bytes) && !/^(utf|ucs|unicode|hz|iso2022)/.test(key)) {
    return bytes.toString('latin1');
  }
  if (key === 'iso2022kr') return decodeIso2022Kr(bytes);
  if (/^utf16|^ucs2|^utf32|^utf7|^unicode11utf7/.test(key)) {
    const wide = supersets[key] ?? name;
    return iconv.encodingExists(wide) ? iconv.decode(bytes, wide) : bytes.toString('utf8');
  }
  return asUtf8(withoutCutTail(bytes)) ?? iconv.decode(bytes, singleOrMultiByte(name, key));
}

function singleOrMultiByte(name: string, key: string): string {
  const charset = supersets[key] ?? name;
  if (key === 'utf8' || key === '') return 'windows-1252';
  return iconv.encodingExists(charset) ? charset : 'windows-1252';
}

/** A text cut at a bound may end inside a UTF-8 sequence; those last bytes are left out. */
function withoutCutTail(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return wanted > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

// RFC 1557: between SO and SI every byte is EUC-KR without its high bit.
function decodeIso2022Kr(bytes: Buffer): string {
  const eucKr: number[] = [];
  let shifted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x1b && bytes.toString('latin1', at + 1, at + 4) === '$)C') at += 3;
    else if (byte === 0x0e) shifted = true;
    else if (byte === 0x0f) shifted = false;
    else eucKr.push(shifted && byte > 0x20 ? byte | 0x80 : byte);
  }
  return iconv.decode(Buffer.from(eucKr), 'cp949');
}
