import { describe, expect, it } from '@jest/globals';
import { parseMail } from './parse.ts';

async function labels(mail: string): Promise<Record<string, unknown>> {
  const source = Buffer.from(`From: ada@example.com\r\n${mail}`);
  return (await parseMail(source, { receivedAt: new Date(0) })).message.metadata.platform_specific;
}

const part = (type: string, body = 'x'): string =>
  `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`;
const multipart = (type: string, ...parts: string[]): string =>
  `Content-Type: multipart/${type}; boundary=b\r\n\r\n${parts.join('')}--b--\r\n`;

describe('signed and encrypted mail', () => {
  it.each([
    [
      'smime_signed',
      multipart('signed', part('text/plain'), part('application/pkcs7-signature; name=smime.p7s')),
    ],
    [
      'smime_signed',
      'Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n\r\nx',
    ],
    [
      'smime_encrypted',
      'Content-Type: application/x-pkcs7-mime; smime-type=enveloped-data\r\n\r\nx',
    ],
    ['pgp_signed', multipart('signed', part('text/plain'), part('application/pgp-signature'))],
    [
      'pgp_encrypted',
      multipart('encrypted', part('application/pgp-encrypted'), part('application/octet-stream')),
    ],
    ['pgp_encrypted', '\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nx'],
  ])('is labelled %s', async (label, mail) => {
    expect(await labels(mail)).toMatchObject({ security: [label] });
  });

  it('is not what ordinary mail is', async () => {
    expect(await labels('\r\nwords')).not.toHaveProperty('security');
  });
});

describe('an invitation', () => {
  it('shows what it invites to', async () => {
    const event = [
      'BEGIN:VCALENDAR',
      'METHOD:REQUEST',
      'BEGIN:VTIMEZONE',
      'DTSTART:19700101T000000',
      'END:VTIMEZONE',
      'BEGIN:VEVENT',
      'UID:1@x',
      'SUMMARY;LANGUAGE=de:Prüfung\\, zweiter',
      '  Teil',
      'LOCATION:Köln',
      'DTSTART;TZID=Europe/Berlin:20260301T100000',
      'DTEND:20260301T110000Z',
      'END:VEVENT',
    ].join('\r\n');
    expect(
      await labels(
        multipart('mixed', part('text/plain'), part('text/calendar; method=REQUEST', event)),
      ),
    ).toMatchObject({
      calendar: {
        method: 'REQUEST',
        uid: '1@x',
        summary: 'Prüfung, zweiter Teil',
        location: 'Köln',
        starts: '20260301T100000',
        ends: '20260301T110000Z',
      },
    });
  });
});
