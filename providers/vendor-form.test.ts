import { describe, expect, it } from '@jest/globals';
import { readForm, textOf } from './vendor-form.ts';

const form = (body: string | Buffer, type = 'application/x-www-form-urlencoded') =>
  readForm({ headers: { 'content-type': type }, body: Buffer.from(body as string) }); // bytes stay as they are

describe('an URL-encoded form', () => {
  it.each([
    ['a=b+c%20d', 'a', 'b c d'],
    ['a=b&a=c', 'a', 'b'],
    ['na%3Dme=x=y', 'na=me', 'x=y'],
    ['&&a=%C3%BC&', 'a', 'ü'],
    ['a', 'a', ''],
    ['a=%', 'a', '%'],
    ['a=%4', 'a', '%4'],
    ['a=%zz%4g%2b', 'a', '%zz%4g+'],
  ])('%s holds %s: %j', async (body, name, value) => {
    expect(textOf(await form(body), name)).toBe(value);
  });

  it('keeps bytes of any charset, and all values of a name in order', async () => {
    const { fields } = await form('a=%ff%00%E9&a=x');
    expect(fields.get('a')).toEqual([Buffer.from([0xff, 0, 0xe9]), Buffer.from('x')]);
  });

  it('reads what URLSearchParams writes', async () => {
    const given = { 'a b': '1+1=2&3', c: 'größer\r\n\t"東京"' };
    const { fields } = await form(new URLSearchParams(given).toString());
    expect(Object.fromEntries([...fields].map(([name, [value]]) => [name, String(value)]))).toEqual(
      given,
    );
  });

  it('has so many fields and no more', async () => {
    await expect(form('a=1&'.repeat(5001))).rejects.toThrow('too many fields');
  });
});

describe('a multipart form', () => {
  it.each([
    ['multipart/form-data', 'x'],
    ['multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx'],
    ['text/plain', 'x'],
    ['', 'x'],
  ])('that is none is refused (%s)', async (type, body) => {
    await expect(form(body, type)).rejects.toMatchObject({ name: 'FormUnreadable' });
  });

  it('is read once, however often it is asked for', async () => {
    const request = {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from('a=1'),
    };
    expect(await readForm(request)).toBe(await readForm(request));
  });
});
