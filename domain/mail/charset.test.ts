import { describe, expect, it } from '@jest/globals';
import encodingJapanese from 'encoding-japanese';
import iconv from 'iconv-lite';
import { decodeBytes } from './charset.ts';
import { parseMail } from './parse.ts';

const samples: Record<string, string> = {
  'utf-8': 'Grüße, 世界 🖨',
  'iso-8859-1': 'Grüße à l’été'.replace('’', "'"),
  'iso-8859-2': 'Zażółć gęślą jaźń',
  'iso-8859-15': 'zwölf €',
  'windows-1250': 'Příliš žluťoučký kůň',
  'windows-1251': 'Съешь ещё этих булок',
  'windows-1252': '“Grüße” – 5 €',
  'windows-1253': 'Ξεσκεπάζω την ψυχοφθόρα',
  'windows-1254': 'Fahiş bluğ çağı ğüşıöç',
  'windows-1255': 'דג סקרן שט בים',
  'windows-1256': 'نص حكيم له سر قاطع',
  'windows-1257': 'Įlinkdama fechtuotojo špaga',
  'koi8-r': 'Съешь ещё этих булок',
  'koi8-u': 'Жебракують філософи',
  gb2312: '你好,我的打印机坏了',
  gbk: '繁體與简体',
  gb18030: '你好 㐂',
  big5: '印表機壞了',
  'euc-kr': '프린터가 고장났습니다',
  'ks_c_5601-1987': '똠방각하 펲시콜라',
  'euc-jp': 'プリンターが壊れました',
  shift_jis: 'プリンターが壊れました',
  'windows-874': 'เครื่องพิมพ์เสีย',
  'utf-16be': 'Grüße 世界',
  'utf-7': 'Grüße 世界',
};

const codecs: Record<string, string> = {
  'ks_c_5601-1987': 'cp949',
  gb2312: 'gb18030',
  shift_jis: 'cp932',
};

function encode(text: string, label: string): Buffer {
  if (label !== 'iso-2022-jp') return iconv.encode(text, codecs[label] ?? label);
  return Buffer.from(
    encodingJapanese.convert(encodingJapanese.stringToCode(text), { to: 'JIS', from: 'UNICODE' }),
  );
}

async function readBody(body: Buffer, label: string | null): Promise<string> {
  const type = label === null ? 'text/plain' : `text/plain; charset=${label}`;
  const head = `From: ada@example.com\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n`;
  const mail = Buffer.from(head + body.toString('base64').replace(/.{76}/g, '$&\r\n'));
  return (await parseMail(mail, { receivedAt: new Date(0) })).message.content;
}

describe('text of a mail', () => {
  const all = { ...samples, 'iso-2022-jp': 'プリンターが壊れました、半角ABC' };
  it.each(Object.entries(all))('is read from %s, as body and as subject', async (label, text) => {
    expect(await readBody(encode(text, label), label)).toBe(text);
    const word = `=?${label}?B?${encode(text, label).toString('base64')}?=`;
    const mail = Buffer.from(`Subject: ${word}\r\n\r\n`);
    if (label === 'utf-7') return;
    expect((await parseMail(mail, { receivedAt: new Date(0) })).message.subject).toBe(text);
  });

  it('is read as windows-1252 where it is labelled latin1', async () => {
    expect(await readBody(encode('“5 €”', 'windows-1252'), 'iso-8859-1')).toBe('“5 €”');
  });

  it('is read as UTF-8 where it is labelled otherwise, and as windows-1252 where it is not UTF-8', async () => {
    expect(await readBody(Buffer.from('Grüße'), 'us-ascii')).toBe('Grüße');
    expect(await readBody(Buffer.from('Grüße'), 'iso-8859-1')).toBe('Grüße');
    expect(await readBody(encode('Grüße', 'windows-1252'), 'utf-8')).toBe('Grüße');
    expect(await readBody(encode('Grüße', 'windows-1252'), null)).toBe('Grüße');
    expect(await readBody(Buffer.from('Grüße'), null)).toBe('Grüße');
    expect(await readBody(Buffer.from('Grüße'), 'no-such-charset')).toBe('Grüße');
  });

  it('keeps its good part where it was cut inside a character', () => {
    expect(decodeBytes(Buffer.from('Grüße').subarray(0, 3), 'utf-8')).toBe('Gr');
  });
});
