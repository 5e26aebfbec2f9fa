import { describe, expect, test } from '@jest/globals';
import { toldType } from './file-type.ts';

const BYTES = Buffer.from([0, 1, 2, 3]);
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';

describe('what a file is', () => {
  test.each([
    ['image/jpeg', 'image/jpeg', 'image/jpeg'],
    ['image/jpg', 'image/jpeg', 'image/jpeg'],
    ['audio/ogg; codecs=opus', 'audio/ogg', 'audio/ogg'],
    [DOCX, 'application/zip', DOCX],
    ['application/msword', 'application/x-cfb', 'application/msword'],
    ['audio/mp4', 'video/mp4', 'audio/mp4'],
    [null, 'image/png', 'image/png'],
    ['application/octet-stream', 'image/png', 'image/png'],
  ])('claimed %s, found %s: %s, and nothing odd', (claimed, detected, contentType) => {
    expect(toldType(claimed, detected, BYTES)).toEqual({ contentType, note: null });
  });

  test.each([
    ['image/jpeg', 'application/x-msdownload'],
    ['application/pdf', 'application/x-msdownload'],
    ['image/png', 'video/mp4'],
  ])('claimed %s, found %s: it is what was found, and says so', (claimed, detected) => {
    expect(toldType(claimed, detected, BYTES)).toEqual({
      contentType: detected,
      note: `It is called ${claimed}, but is ${detected}.`,
    });
  });
});

describe('without any sign of a format', () => {
  const text = Buffer.from('naïve, 1;2');

  test('text is the text it claims to be, and never a picture', () => {
    expect(toldType('text/csv; charset=utf-8', null, text).contentType).toBe('text/csv');
    expect(toldType(null, null, text)).toEqual({ contentType: 'text/plain', note: null });
    expect(toldType('image/png', null, Buffer.from('<script>'))).toEqual({
      contentType: 'text/plain',
      note: 'It is called image/png, but is text/plain.',
    });
  });

  test('a text that is cut within a character is text still', () => {
    expect(toldType(null, null, text.subarray(0, 3)).contentType).toBe('text/plain');
  });

  test('other bytes are bytes', () => {
    expect(toldType('image/png', null, BYTES)).toEqual({
      contentType: 'application/octet-stream',
      note: 'It is called image/png, but is of no known format.',
    });
  });
});
