import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseMail } from '../../../../domain/mail/parse.ts';
import type { DoorRequest } from '../../../../providers/contract.ts';
import { baseUrl } from '../../../../providers/mailgun/client.ts';
import { mailgun } from '../../../../providers/mailgun/provider.ts';
import { isMailguns } from '../../../../providers/mailgun/stored-message.ts';
import { multipartForm, urlEncodedForm, type FormPart } from '../../../../simulators/form.ts';
import type { MailCloud } from '../../../../simulators/mail-cloud.ts';
import { mailgunSimulator } from '../../../../simulators/mailgun/simulator.ts';
import { providerCall } from '../call.ts';
import { posted } from './door.ts';

const settings = (more: object = {}) =>
  mailgun.manifest.settings.parse({ signing_key: 'signing-key', ...more });
const signature = (ageMs = 0, token: string = randomUUID()) => {
  const timestamp = String(Math.floor((Date.now() - ageMs) / 1000));
  const hmac = createHmac('sha256', 'signing-key')
    .update(timestamp + token)
    .digest('hex');
  return { timestamp, token, signature: hmac };
};
const eventRequest = (data: object, signed = signature()) =>
  posted(
    { 'content-type': 'application/json' },
    JSON.stringify({ signature: signed, 'event-data': data }),
  );
const formRequest = (fields: Record<string, string | Buffer>, signed = signature()) => {
  const parts = Object.entries({ ...signed, ...fields }).map(([name, value]) => ({ name, value }));
  const { headers, body } = urlEncodedForm(parts);
  return posted(headers, body);
};
const verify = async (asked: DoorRequest) =>
  mailgun.door!.verify(asked, providerCall(settings()), () => false);
const receive = (asked: DoorRequest, more: object = {}) =>
  mailgun.door!.receive(asked, providerCall(settings(more)));

describe('a signature', () => {
  const hour = 3600_000;

  it('is good for as long as Mailgun tries again, and no longer', async () => {
    await expect(verify(eventRequest({}, signature(7.9 * hour)))).resolves.toBeUndefined();
    for (const age of [9 * hour, 365 * 24 * hour, -hour])
      await expect(verify(eventRequest({}, signature(age)))).rejects.toMatchObject({
        status: 403,
        code: 'mailgun.stale',
      });
  });

  it('is good for the content that it first came with: again without harm, with another refused', async () => {
    const signed = signature();
    const first = eventRequest({ event: 'delivered', id: 'a' }, signed);
    await verify(first);
    await verify(posted(first.headers, Buffer.from(first.body)));
    await expect(verify(eventRequest({ event: 'failed', id: 'a' }, signed))).rejects.toMatchObject({
      status: 403,
      code: 'mailgun.token_reused',
    });
  });

  it('finds the first source where another process has seen its token', async () => {
    const signed = signature();
    const ids = await Promise.all(
      ['one', 'two'].map(async (text) => {
        const mail = Buffer.from(`Subject: ${text}\r\n\r\n${text}`);
        const { sources } = await receive(formRequest({ 'body-mime': mail }, signed));
        return sources[0]!.providerMessageId;
      }),
    );
    expect(ids).toEqual([signed.token, signed.token]);
  });

  it.each([
    ['a form without one', () => formRequest({ signature: '' }), 401],
    ['a key that is not ours', () => formRequest({ signature: 'a'.repeat(64) }), 401],
    ['no form', () => posted({ 'content-type': 'text/plain' }, Buffer.from('x')), 401],
    ['no content type', () => posted({}, Buffer.from('x')), 401],
    [
      'a form cut short',
      () => posted({ 'content-type': 'multipart/form-data; boundary=b' }, Buffer.from('--b\r\nx')),
      401,
    ],
    [
      'JSON without one',
      () => posted({ 'content-type': 'application/json' }, Buffer.from('{}')),
      401,
    ],
  ])('is wanted: %s', async (_what, asked, status) => {
    await expect(verify(asked())).rejects.toMatchObject({ name: 'DoorRefusal', status });
  });
});

describe('a mail', () => {
  it('keeps its bytes, whatever charset they are in', async () => {
    const raw = Buffer.concat([
      Buffer.from('Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr'),
      Buffer.from([0xfc, 0xdf, 0x65, 0x00, 0xff]),
    ]);
    const parts: FormPart[] = [
      ...Object.entries(signature()).map(([name, value]) => ({ name, value })),
      { name: 'body-mime', value: raw },
    ];
    for (const { headers, body } of [urlEncodedForm(parts), multipartForm(parts)]) {
      const { sources } = await receive(posted(headers, body));
      expect(sources[0]!.source.equals(raw)).toBe(true);
    }
  });

  it('keeps an attachment that has no file name', async () => {
    const { headers, body } = multipartForm([
      ...Object.entries({
        ...signature(),
        recipient: 'a@example.test, b@example.test',
        sender: '',
        'message-headers': '[["Subject", "x"]]',
        'body-plain': 'Hello',
      }).map(([name, value]) => ({ name, value })),
      { name: 'attachment-1', value: 'content' },
    ]);
    const { sources } = await receive(posted(headers, body));
    expect(sources[0]!.envelope).toEqual({ from: '', to: ['a@example.test', 'b@example.test'] });
    const { attachments } = await parseMail(sources[0]!.source, {
      receivedAt: new Date(),
      keepContent: true,
    });
    expect(attachments.map(({ content }) => String(content))).toEqual(['content']);
  });
});

describe('a stored message', () => {
  let simulator: MailCloud;
  beforeAll(async () => {
    simulator = await mailgunSimulator();
  });
  afterAll(() => simulator.close());

  it.each([
    ['https://storage-us-east4.api.mailgun.net/v3/domains/d/messages/k', true],
    ['https://sw.api.mailgun.org/v3/x', true],
    ['https://sim.example:8443/v3/domains/d/messages/k', true],
    ['http://storage.api.mailgun.net/v3/x', false],
    ['https://mailgun.net.evil.example/v3/x', false],
    ['https://evilmailgun.net/v3/x', false],
    ['https://api:key@api.mailgun.net/v3/x', false],
    ['https://api.mailgun.net:444/v3/x', false],
    ['http://169.254.169.254/latest', false],
    ['nonsense', false],
  ])('is fetched from %s: %s', (url, isFetched) => {
    expect(isMailguns(url, 'https://sim.example:8443')).toBe(isFetched);
  });

  it('is refused where it lies elsewhere, and the key goes nowhere', async () => {
    const elsewhere = await mailgunSimulator();
    const asked = formRequest({ 'message-url': `${elsewhere.url}/v3/domains/d/messages/k` });
    await expect(
      receive(asked, { api_key: 'key-mailgun', base_url: simulator.url }),
    ).rejects.toMatchObject({ name: 'DoorRefusal', code: 'mailgun.foreign_url' });
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.close();
  });

  it.each([
    ['gone', {}, 'give_up'],
    ['not to be had now', { kind: 'unavailable' }, 'retry'],
  ] as const)('is asked for again later where it is %s', async (_what, fault, kind) => {
    if ('kind' in fault) simulator.faults.failNext(fault);
    const asked = formRequest({
      'message-url': `${simulator.url}/v3/domains/mg.example.test/messages/none`,
    });
    await expect(
      receive(asked, { api_key: 'key-mailgun', base_url: simulator.url }),
    ).rejects.toMatchObject({ name: 'ProviderFailure', class: kind });
  });
});

describe('an event', () => {
  const said = {
    timestamp: 1763633000.5,
    recipient: 'ada@x.test',
    message: { headers: { 'message-id': 'own.1@example.test' } },
  };

  it.each([
    [{ event: 'failed', severity: 'permanent' }, 'bounced'],
    [{ event: 'failed', severity: 'permanent', reason: 'suppress-bounce' }, 'bounced'],
    [{ event: 'failed', severity: 'permanent', reason: 'old' }, 'failed'],
    [{ event: 'failed' }, 'bounced'],
    [{ event: 'rejected', reject: { reason: 'Sandbox' } }, 'failed'],
    [{ event: 'delivered' }, 'delivered'],
    [{ event: 'complained' }, 'complained'],
  ])('%o says that the mail is %s', async (event, status) => {
    const { statuses } = await receive(eventRequest({ ...said, ...event }));
    expect(statuses).toMatchObject([
      { of: { messageId: 'own.1@example.test' }, status, at: new Date(1763633000500) },
    ]);
  });

  it.each([
    [{ event: 'failed', severity: 'temporary' }],
    [{ event: 'accepted' }],
    [{ event: 'opened' }],
    [{ event: 'delivered', message: undefined }],
  ])('%o changes no state', async (event) => {
    expect((await receive(eventRequest({ ...said, ...event }))).statuses).toEqual([]);
  });
});

it('asks the region’s own host', () => {
  expect(baseUrl(settings())).toBe('https://api.mailgun.net');
  expect(baseUrl(settings({ region: 'eu' }))).toBe('https://api.eu.mailgun.net');
});

it('says which domain is missing, or not verified', async () => {
  const simulator = await mailgunSimulator();
  const call = (domain?: string) =>
    providerCall(settings({ api_key: 'key-mailgun', base_url: simulator.url, domain }));
  expect(await mailgun.validate!(call('other.example.test'))).toMatchObject({
    ok: false,
    problems: [{ step: 'permission', detail: expect.stringContaining('Domain not found') }],
  });
  expect(await mailgun.validate!(call())).toMatchObject({
    ok: true,
    warnings: [expect.stringContaining('No "domain" is set')],
  });
  await simulator.close();
});
