import { describe, expect, it } from '@jest/globals';
import { parseMail } from '../../../../domain/mail/parse.ts';
import { postmark } from '../../../../providers/postmark/provider.ts';
import { providerCall } from '../call.ts';
import { posted } from './door.ts';

const settings = postmark.manifest.settings.parse({
  basic_auth: { username: 'postmark', password: 'secret' },
});
const HEADERS = {
  'content-type': 'application/json',
  authorization: `Basic ${Buffer.from('postmark:secret').toString('base64')}`,
};
const requestOf = (body: unknown) =>
  posted(HEADERS, typeof body === 'string' ? body : JSON.stringify(body));
const receive = (body: unknown) => postmark.door!.receive(requestOf(body), providerCall(settings));
const bounce = {
  RecordType: 'Bounce',
  MessageID: 'id-1',
  Type: 'HardBounce',
  Email: 'gone@x.test',
  BouncedAt: '2026-11-20T10:00:00.1234567-05:00',
  Description: 'The server was unable to deliver your message to gone@x.test',
  Details: 'smtp;550 5.1.1 user unknown',
};

describe('what Postmark reports', () => {
  it('is the recipient’s bounce, at the vendor’s time', async () => {
    expect((await receive(bounce)).statuses).toEqual([
      {
        of: { providerMessageId: 'id-1' },
        status: 'bounced',
        recipient: 'gone@x.test',
        detail:
          'The server was unable to deliver your message to [address] smtp;550 5.1.1 user unknown',
        at: new Date('2026-11-20T15:00:00.123Z'),
      },
    ]);
    const complaint = { ...bounce, Type: 'SpamComplaint' };
    expect((await receive(complaint)).statuses).toMatchObject([{ status: 'complained' }]);
  });

  it.each(['SoftBounce', 'DnsError', 'Blocked', 'SpamNotification'])(
    'is a failure, and no word against the address, where another time may be better (%s)',
    async (Type) => {
      expect((await receive({ ...bounce, Type })).statuses).toMatchObject([{ status: 'failed' }]);
    },
  );

  it.each(['Transient', 'AutoResponder', 'ChallengeVerification'])(
    'changes no state where the mail may still arrive (%s)',
    async (Type) => {
      expect(await receive({ ...bounce, Type })).toEqual({ sources: [], statuses: [] });
    },
  );

  it.each(['Open', 'Click', 'SubscriptionChange', 'Unheard-of'])(
    'is taken without effect where it says nothing of a state (%s)',
    async (RecordType) => {
      expect(await receive({ RecordType, MessageID: 'id-1' })).toEqual({ sources: [] });
    },
  );
});

describe('a mail in pieces', () => {
  const pieces = {
    MessageID: 'in-1',
    From: 'ada@x.test',
    FromFull: { Email: 'ada@x.test', Name: 'Ada "the" \\ one' },
    To: 'a@example.test',
    ToFull: [{ Email: 'a@example.test', Name: '' }],
    Subject: 'Hi\r\nBcc: evil@x.test',
    Date: 'Fri, 20 Nov 2026 10:00:00 +0000',
    TextBody: 'Hello',
    Headers: [
      { Name: 'Message-ID', Value: '<m@x.test>' },
      { Name: 'X-Split: yes\r\nX-Injected', Value: 'x' },
      { Name: 'Return-Path', Value: '<>' },
    ],
  };

  it('makes no header of what stands in another one', async () => {
    const { sources } = await receive(pieces);
    const source = String(sources[0]!.source);
    expect(source).not.toMatch(/^(Bcc|X-Injected):/m);
    const { message } = await parseMail(sources[0]!.source, { receivedAt: new Date() });
    expect(message).toMatchObject({
      sender: { name: 'Ada "the" \\ one', address: 'ada@x.test' },
      subject: 'Hi Bcc: evil@x.test',
      message_id: 'm@x.test',
      content: 'Hello',
    });
  });

  it('keeps the null sender, by which a bounce is told', async () => {
    expect((await receive(pieces)).sources[0]).toMatchObject({
      providerMessageId: 'in-1',
      envelope: { from: '', to: ['a@example.test'] },
      meta: { rebuilt: true },
    });
    const unknown = { ...pieces, Headers: [], OriginalRecipient: 'b@example.test' };
    expect((await receive(unknown)).sources[0]!.envelope).toEqual({
      from: null,
      to: ['b@example.test'],
    });
  });

  it('gets an id of its content where Postmark’s test button sends none', async () => {
    const MessageID = '00000000-0000-0000-0000-000000000000';
    const ids = await Promise.all(
      ['one', 'one', 'two'].map(async (TextBody) => {
        const { sources } = await receive({ ...pieces, MessageID, TextBody });
        return sources[0]!.providerMessageId;
      }),
    );
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });
});

it.each([
  ['no JSON', '{'],
  ['no object', '[]'],
  ['a mail without an id', { Subject: 'x' }],
  ['a bounce without a time', { ...bounce, BouncedAt: 'yesterday' }],
])('refuses %s with 400', async (_what, body) => {
  await expect(receive(body)).rejects.toMatchObject({
    name: 'DoorRefusal',
    status: 400,
    code: 'postmark.unreadable',
  });
});
