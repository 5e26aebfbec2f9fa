import { generateKeyPairSync, sign } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseMail } from '../../../../domain/mail/parse.ts';
import type { DoorRequest, OutgoingMessage } from '../../../../providers/contract.ts';
import { sendgridFailure } from '../../../../providers/sendgrid/failure.ts';
import { sendgrid } from '../../../../providers/sendgrid/provider.ts';
import { multipartForm, type FormPart } from '../../../../simulators/form.ts';
import {
  sendgridSimulator,
  type SendgridSimulator,
} from '../../../../simulators/sendgrid/simulator.ts';
import { providerCall } from '../call.ts';
import { outgoing } from '../outgoing.ts';
import { posted } from './door.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const shown = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const login = { basic_auth: { username: 'sendgrid', password: 'secret' } };
const settings = (more: object = login) => sendgrid.manifest.settings.parse(more);
const basic = `Basic ${Buffer.from('sendgrid:secret').toString('base64')}`;

const form = (parts: readonly FormPart[], more: Record<string, string> = {}) => {
  const { headers, body } = multipartForm(parts);
  return posted({ ...headers, ...more }, body);
};
const events = (list: unknown, more: Record<string, string> = {}) =>
  posted({ 'content-type': 'application/json', ...more }, JSON.stringify(list));
const signed = (asked: DoorRequest, ageMs = 0): DoorRequest => {
  const timestamp = String(Math.floor((Date.now() - ageMs) / 1000));
  const signature = sign('sha256', Buffer.concat([Buffer.from(timestamp), asked.body]), privateKey);
  return {
    ...asked,
    headers: {
      ...asked.headers,
      'x-twilio-email-event-webhook-timestamp': timestamp,
      'x-twilio-email-event-webhook-signature': signature.toString('base64'),
    },
  };
};
const verify = async (asked: DoorRequest, more?: object) =>
  sendgrid.door!.verify(asked, providerCall(settings(more)), () => false);
const receive = (asked: DoorRequest) => sendgrid.door!.receive(asked, providerCall(settings()));
const email = (raw: string | Buffer) => [{ name: 'email', value: raw }];

describe('what proves a call', () => {
  const both = { parse_public_key: shown, event_public_key: shown };
  const hour = 3600_000;

  it('is the login in the address where no key is set', async () => {
    for (const asked of [form(email('x')), events([])]) {
      await expect(verify(asked)).rejects.toMatchObject({ code: 'sendgrid.login_refused' });
      const known = { ...asked, headers: { ...asked.headers, authorization: basic } };
      await expect(verify(known)).resolves.toBeUndefined();
    }
  });

  it('is the signature where a key is set, the login or not', async () => {
    const asked = form(email('x'), { authorization: basic });
    await expect(verify(asked, { ...login, ...both })).rejects.toMatchObject({
      code: 'sendgrid.unsigned',
    });
    await expect(verify(signed(asked), { ...login, ...both })).resolves.toBeUndefined();
  });

  it('is wanted of events too, though only mail has one', async () => {
    await expect(verify(events([]), { parse_public_key: shown })).rejects.toMatchObject({
      status: 401,
      code: 'sendgrid.no_proof',
    });
  });

  it('is good for as long as SendGrid tries again: mail 3 days, events 1', async () => {
    const mail = form(email('x'));
    await expect(verify(signed(mail, 71 * hour), both)).resolves.toBeUndefined();
    await expect(verify(signed(events([]), 23 * hour), both)).resolves.toBeUndefined();
    for (const stale of [
      signed(mail, 73 * hour),
      signed(events([]), 25 * hour),
      signed(mail, -hour),
    ])
      await expect(verify(stale, both)).rejects.toMatchObject({ code: 'sendgrid.stale' });
  });

  it.each([
    ['nothing', {}],
    ['a key that is none', { parse_public_key: 'MFkw' }],
    ['a key of another kind', { parse_public_key: rsaKey() }],
    ['a user name with a colon', { basic_auth: { username: 'a:b', password: 'c' } }],
  ])('can’t be %s', (_what, given) => {
    expect(sendgrid.manifest.settings.safeParse(given).success).toBe(false);
  });
});

function rsaKey(): string {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
}

describe('a mail', () => {
  it('keeps its bytes where it comes raw, and its verdicts', async () => {
    const raw = Buffer.from('Subject: x\r\n\r\nGr\u00fc\u00dfe\x00', 'latin1');
    const { sources } = await receive(form([...email(raw), { name: 'SPF', value: 'softfail' }]));
    expect(sources[0]!.source.equals(raw)).toBe(true);
    expect(sources[0]!.meta).toMatchObject({ rebuilt: false, spf: 'softfail' });
  });

  it('is read in the charsets that the vendor names', async () => {
    const japanese = Buffer.from('\x1b$B8+@Q$b$j\x1b(B', 'latin1');
    const { sources } = await receive(
      form([
        {
          name: 'headers',
          value: 'Subject: =?iso-2022-jp?B?GyRCOCtAUSRiJGobKEI=?=\nFrom: a@x.test\n',
        },
        { name: 'text', value: japanese },
        {
          name: 'html',
          value: Buffer.from('<p>\u00f0\u00d2\u00c9\u00d7\u00c5\u00d4</p>', 'latin1'),
        },
        { name: 'charsets', value: '{"text": "iso-2022-jp", "html": "koi8-r"}' },
        { name: 'envelope', value: '{"to": ["s@example.test"], "from": ""}' },
      ]),
    );
    const { message } = await parseMail(sources[0]!.source, { receivedAt: new Date() });
    expect(message).toMatchObject({
      subject: '見積もり',
      content: '見積もり',
      html: expect.stringContaining('Привет'),
    });
    expect(sources[0]!.envelope).toEqual({ from: '', to: ['s@example.test'] });
  });

  it.each([
    ['no form', () => posted({ 'content-type': 'text/plain' }, Buffer.from('x'))],
    ['a form without a mail', () => form([{ name: 'to', value: 'a@x.test' }])],
    ['too many parts', () => form(Array.from({ length: 5001 }, () => ({ name: 'a', value: '' })))],
  ])('is refused where it is %s', async (_what, asked) => {
    await expect(receive(asked())).rejects.toMatchObject({
      status: 400,
      code: 'sendgrid.unreadable',
    });
  });
});

describe('events', () => {
  const said = { email: 'ada@x.test', timestamp: 1763633000, postroom_message_id: 'own.1@x.test' };

  it('come many at once, of which some say nothing of a state', async () => {
    const { statuses } = await receive(
      events([
        { ...said, event: 'processed' },
        { ...said, event: 'deferred', response: '400 later' },
        { ...said, event: 'delivered', response: '250 OK for ada@x.test' },
        { ...said, event: 'dropped', reason: 'Bounced Address' },
        { ...said, event: 'open' },
        { event: 'group_unsubscribe', timestamp: 1 },
        { event: 'bounce', timestamp: 1763633001, 'smtp-id': '<own.2@x.test>' },
        { ...said, event: 'bounce', type: 'blocked', reason: '421 too many' },
      ]),
    );
    const at = new Date(1763633000_000);
    expect(statuses).toEqual([
      {
        of: { messageId: 'own.1@x.test' },
        status: 'delivered',
        recipient: 'ada@x.test',
        detail: '250 OK for [address]',
        at,
      },
      {
        of: { messageId: 'own.1@x.test' },
        status: 'failed',
        recipient: 'ada@x.test',
        detail: 'Bounced Address',
        at,
      },
      {
        of: { messageId: 'own.2@x.test' },
        status: 'bounced',
        detail: '',
        at: new Date(1763633001_000),
      },
      {
        of: { messageId: 'own.1@x.test' },
        status: 'failed',
        recipient: 'ada@x.test',
        detail: '421 too many',
        at,
      },
    ]);
  });

  it('are refused where they are no list', async () => {
    await expect(receive(events({ event: 'bounce' }))).rejects.toMatchObject({ status: 400 });
  });
});

describe('a refusal', () => {
  const failure = (status: number, message: string, field?: string, headers: object = {}) =>
    sendgridFailure(providerCall(settings()), {
      status,
      headers: new Headers({ ...headers }),
      body: Buffer.from(JSON.stringify({ errors: [{ message, field }] })),
    });

  it.each([
    [401, 'Maximum credits exceeded', undefined, 'wait', 'credits_exceeded'],
    [
      401,
      'The provided authorization grant is invalid',
      undefined,
      'reauthenticate',
      'login_refused',
    ],
    [403, 'access forbidden', undefined, 'reauthenticate', 'not_permitted'],
    [403, 'The from address does not match', 'from', 'give_up', 'sender_unverified'],
    [413, 'too large', undefined, 'give_up', 'refused'],
  ])('%d "%s" (%s) is %s', async (status, words, field, kind, code) => {
    expect(await failure(status, words, field)).toMatchObject({
      class: kind,
      code: `sendgrid.${code}`,
      status,
    });
  });

  it('tells when the limit ends, and keeps the other workers off till then', async () => {
    const pauses: Date[] = [];
    const reset = Math.ceil(Date.now() / 1000) + 30;
    const call = providerCall(settings(), {
      limits: { slot: (_, work) => work(), pause: async (until) => void pauses.push(until) },
    });
    const { retryAfterMs } = await sendgridFailure(call, {
      status: 429,
      headers: new Headers({ 'x-ratelimit-reset': String(reset) }),
      body: Buffer.from('too many'),
    });
    expect(retryAfterMs).toBeGreaterThan(25_000);
    expect(retryAfterMs).toBeLessThanOrEqual(31_000);
    expect(pauses).toHaveLength(1);
    expect(Math.abs(pauses[0]!.getTime() - reset * 1000)).toBeLessThan(2000);
  });
});

describe('the description of Mail Send', () => {
  let simulator: SendgridSimulator;
  beforeAll(async () => {
    simulator = await sendgridSimulator();
  });
  afterAll(() => simulator.close());
  const call = (more: object = {}) =>
    providerCall(settings({ ...login, api_key: 'SG.key', base_url: simulator.url }), more);

  it('allows a mail with nothing in it', async () => {
    const bare: OutgoingMessage = {
      ...outgoing(),
      subject: '',
      text: '',
      html: null,
      cc: [],
      replyTo: null,
      inReplyTo: null,
      references: [],
      attachments: [{ ...outgoing().attachments[0]!, size: 0, content: () => Readable.from([]) }],
    };
    await sendgrid.sender!.send(call(), bare, async () => {});
    expect(simulator.violations).toEqual([]);
    expect(simulator.sent).toHaveLength(1);
  });

  it('allows the trial of a key, with a sender and without', async () => {
    const anonymous = { channel: { ...call().channel, address: null } };
    for (const more of [{}, anonymous])
      expect(await sendgrid.validate!(call(more))).toMatchObject({ ok: true, problems: [] });
    expect(simulator.violations).toEqual([]);
    expect(simulator.requests.map(({ path }) => path).slice(-2)).toEqual([
      '/v3/mail/send',
      '/v3/mail/batch',
    ]);
    expect(simulator.sent).toHaveLength(1);
  });
});
