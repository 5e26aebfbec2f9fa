import { expect, test } from '@jest/globals';
import { asAttachment, safeContentType, uploadedName } from './content-disposition.ts';

test.each([
  ['report.pdf', `attachment; filename="report.pdf"; filename*=UTF-8''report.pdf`],
  ['../../etc/passwd', `attachment; filename="passwd"; filename*=UTF-8''passwd`],
  [
    "o'brien (1).txt",
    `attachment; filename="o'brien (1).txt"; filename*=UTF-8''o%27brien%20%281%29.txt`,
  ],
  ['日本.txt', `attachment; filename="__.txt"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt`],
  [null, `attachment; filename="attachment"; filename*=UTF-8''attachment`],
])('%s', (name, header) => {
  expect(asAttachment(name)).toBe(header);
});

test('a name can not end the header or quote itself out of it', () => {
  const header = asAttachment('a"; x=\r\nSet-Cookie: y.txt');
  expect(header).not.toMatch(/[\r\n]/);
  expect(header.match(/"/g)).toHaveLength(2);
});

test.each([
  ['text/HTML; charset=utf-8', 'text/html'],
  ['application/vnd.ms-excel', 'application/vnd.ms-excel'],
  ['text/html\r\nX: y', 'text/html'],
  ['nonsense', 'application/octet-stream'],
  [undefined, 'application/octet-stream'],
])('content type %j is served as %s', (given, served) => {
  expect(safeContentType(given)).toBe(served);
});

test.each([
  [`attachment; filename="a \\"b\\".txt"`, 'a "b".txt'],
  [`attachment; filename=plain.txt`, 'plain.txt'],
  [`attachment; filename="x.txt"; filename*=UTF-8''%C3%A4.txt`, 'ä.txt'],
  [`attachment; filename*=UTF-8''%FF`, null],
  ['inline', null],
  [undefined, null],
])('the name in %s is %s', (header, name) => {
  expect(uploadedName(header)).toBe(name);
});
