import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ingestSource } from '../../activities/ingestion.ts';
import { wantState } from '../../db/queries/channel-changes.ts';
import { request, startTestApi, type Client, type TestApi } from './api-fixture.ts';

let api: TestApi;
let ada: Client;
/** How the next mails are ingested within the call. */
let ingest: 'at once' | 'too late' | 'never' = 'at once';
beforeAll(async () => {
  api = await startTestApi(
    {},
    {
      ingestNow: async (channel, sourceId) => {
        if (ingest === 'never') throw new Error('the database went away');
        if (ingest === 'too late') return new Promise<never>(() => {});
        await ingestSource(api.deps, channel, sourceId);
      },
    },
  );
  ada = await api.client('ada');
});
afterAll(() => api.close());

interface Door {
  readonly id: string;
  readonly ingress_token: string;
}

async function door(settings: object = {}, rules: unknown = null): Promise<Door> {
  const { body } = await ada.call('POST', '/v1/channels', {
    provider: 'mime',
    name: 'Platform',
    settings,
    rules,
  });
  return body as Door;
}

const push = (channel: Door | null, mail: unknown, path = '/ingress/email') =>
  request(
    api.url + path,
    'POST',
    mail,
    channel ? { authorization: `Bearer ${channel.ingress_token}` } : {},
  );

let counter = 0;
const mail = (more: object = {}) => ({
  from: 'Ada <ada@kunde.example>',
  to: 'support@shop.example',
  subject: 'Kettle',
  text: 'It broke.',
  message_id: `<p${++counter}@kunde.example>`,
  ...more,
});

test('a mail becomes a ticket within the call, of high priority', async () => {
  const { status, body } = await push(await door(), mail());
  expect([status, body]).toEqual([
    200,
    {
      status: 'processed',
      email_id: expect.stringMatching(/^msg_/),
      ticket: { id: expect.stringMatching(/^tkt_/), number: expect.any(Number) },
      action: 'ticket_created',
    },
  ]);
  const ticket = await ada.call('GET', `/v1/tickets/${body.ticket.id}`);
  expect(ticket.body).toMatchObject({ subject: 'Kettle', priority: 'high' });
  const message = await ada.call('GET', `/v1/messages/${body.email_id}`);
  expect(message.body).toMatchObject({
    priority: 'high',
    content: 'It broke.',
    message_id: `p${counter}@kunde.example`,
  });
});

test('an answer joins its ticket; a redelivery is answered the same, without effect', async () => {
  const channel = await door();
  const first = mail();
  const created = await push(channel, first);
  const answer = mail({ in_reply_to: first.message_id, references: [first.message_id] });
  const joined = await push(channel, answer);
  expect(joined.body).toMatchObject({ ticket: created.body.ticket, action: 'message_added' });
  const repeats = await Promise.all([first, answer, first].map((one) => push(channel, one)));
  expect(repeats.map(({ status, body }) => [status, body])).toEqual([
    [200, created.body],
    [200, joined.body],
    [200, created.body],
  ]);
  const ticket = await ada.call('GET', `/v1/tickets/${created.body.ticket.id}`);
  expect(ticket.body.message_count).toBe(2);
});

test('two calls at once with one mail make one message', async () => {
  const channel = await door();
  const one = mail();
  const answers = await Promise.all(Array.from({ length: 5 }, () => push(channel, one)));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  const { body } = await ada.call('GET', `/v1/messages?account_id=${channel.id}`);
  expect(body.data).toHaveLength(1);
});

test('/webhooks/email is the same door', async () => {
  const channel = await door();
  const one = mail();
  const first = await push(channel, one, '/webhooks/email');
  expect(first.status).toBe(200);
  expect((await push(channel, one)).body).toEqual(first.body);
});

describe('the filters', () => {
  test('are joined by AND and ignore case; what fails them is kept in the journal', async () => {
    const channel = await door({ sender_domains: ['Kunde.Example'], subject_keywords: ['KETTLE'] });
    const answers = [
      await push(channel, mail({ subject: 'my kettle' })),
      await push(channel, mail({ from: 'ada@other.example', subject: 'my kettle' })),
      await push(channel, mail({ subject: 'a toaster' })),
    ];
    expect(answers.map(({ body }) => body.status)).toEqual(['processed', 'filtered', 'filtered']);
    expect(answers[1]!.text).toBe('{"status":"filtered"}');
    const journal = await ada.call('GET', `/v1/filtered?channel_id=${channel.id}`);
    expect(journal.body.data.map(({ by }: { by: string }) => by)).toEqual(['door', 'door']);
    const status = await ada.call('GET', `/v1/channels/${channel.id}/status`);
    expect(status.body).toMatchObject({ messages_received: 1, messages_filtered: 2 });
  });

  test('that can’t be meant are refused when saved', async () => {
    const settings = { sender_domains: ['Example Inc'] };
    const { status, body } = await ada.call('POST', '/v1/channels', {
      provider: 'mime',
      name: 'x',
      settings,
    });
    expect([status, body.errors[0].pointer]).toEqual([422, '/settings/sender_domains/0']);
  });

  test('a filtered mail that comes again is filtered again, and counted once', async () => {
    const channel = await door({ subject_keywords: ['kettle'] });
    const one = mail({ subject: 'a toaster' });
    for (let i = 0; i < 2; i++)
      expect((await push(channel, one)).body).toEqual({ status: 'filtered' });
    const status = await ada.call('GET', `/v1/channels/${channel.id}/status`);
    expect(status.body.messages_filtered).toBe(1);
  });

  test('the channel’s rules count as well', async () => {
    const channel = await door({}, { blocklist: { domains: ['kunde.example'] } });
    expect((await push(channel, mail())).body).toEqual({ status: 'filtered' });
  });
});

describe('the token', () => {
  test('names the channel, and nobody without one is let in', async () => {
    const channel = await door();
    for (const refusedCall of [
      await push(null, mail()),
      await push({ ...channel, ingress_token: `${channel.ingress_token}x` }, mail()),
      await push({ ...channel, ingress_token: ada.key }, mail()),
    ])
      expect([refusedCall.status, refusedCall.headers.get('www-authenticate')]).toEqual([
        401,
        'Bearer realm="ingress"',
      ]);
    const metrics = await request(`${api.url}/metrics`, 'GET');
    expect(metrics.text).toMatch(
      /postroom_door_refusals_total\{provider="email",code="unauthorized"\} [3-9]/,
    );
  });

  test('of a channel without this door opens nothing', async () => {
    const { body } = await ada.call('POST', '/v1/channels', {
      provider: 'postmark',
      name: 'Other',
      is_active: false,
      settings: { basic_auth: { username: 'u', password: 'p'.repeat(20) }, api_key: 'k' },
    });
    expect(body.ingress_token).toMatch(/^prt_/);
    expect((await push(body as Door, mail())).status).toBe(401);
  });

  test('of a stopped channel is refused, of a deleted one unknown', async () => {
    const channel = await door();
    await wantState(api.db, ada.tenantId, channel.id, 'stopped');
    expect((await push(channel, mail())).status).toBe(409);
    await ada.call('DELETE', `/v1/channels/${channel.id}`);
    expect((await push(channel, mail())).status).toBe(401);
  });
});

describe('where it can’t be processed within the call', () => {
  test('it is accepted, and the channel’s workflow is told', async () => {
    const channel = await door();
    ingest = 'never';
    const one = mail();
    const { status, body } = await push(channel, one);
    expect([status, body]).toEqual([
      202,
      { status: 'accepted', source_id: expect.stringMatching(/^src_/) },
    ]);
    expect([...api.relay.flushed.at(-1)!.channels.keys()]).toEqual([channel.id]);
    ingest = 'at once';
    expect((await push(channel, one)).body).toMatchObject({ status: 'processed' });
  });

  test('within the bound', async () => {
    ingest = 'too late';
    const began = Date.now();
    const { status } = await push(await door(), mail());
    ingest = 'at once';
    expect(status).toBe(202);
    expect(Date.now() - began).toBeLessThan(90_000);
  }, 240_000);

  test('a paused channel keeps it', async () => {
    const channel = await door();
    await wantState(api.db, ada.tenantId, channel.id, 'paused');
    expect((await push(channel, mail())).body).toMatchObject({ status: 'accepted' });
  });
});

describe('what is pushed', () => {
  test('may be named as several platforms do, with attachments and headers', async () => {
    const channel = await door();
    const { body } = await push(channel, {
      sender: { email: 'jürgen@kunde.example', name: 'Jürgen Größe' },
      recipients: [{ email: 'support@shop.example' }, 'Bo <bo@shop.example>'],
      cc: 'Chef <chef@shop.example>',
      subject: 'Grüße – 日本',
      body: 'Schön',
      html: '<p>Schön <script>x()</script></p>',
      headers: [
        { name: 'X-Team', value: 'größte' },
        { key: 'Message-ID', value: '<h1@kunde.example>' },
        { name: 'Content-Type', value: 'text/evil; boundary=x' },
      ],
      attachments: [
        { name: 'Übersicht.pdf', type: 'application/pdf', data: 'JVBERi0=' },
        {
          filename: 'a.png',
          content_type: 'image/png',
          content: 'iVBORw0KGgo',
          inline: true,
          cid: 'x',
        },
      ],
      date: '2026-11-20T10:00:00Z',
      spam_score: 3,
    });
    expect(body.status).toBe('processed');
    const { body: message } = await ada.call('GET', `/v1/messages/${body.email_id}`);
    expect(message).toMatchObject({
      sender: { name: 'Jürgen Größe', address: 'jürgen@kunde.example' },
      to: [{ address: 'support@shop.example' }, { name: 'Bo', address: 'bo@shop.example' }],
      cc: [{ name: 'Chef', address: 'chef@shop.example' }],
      subject: 'Grüße – 日本',
      content: expect.stringMatching(/^Schön\s*$/),
      html: expect.not.stringContaining('script'),
      message_id: 'h1@kunde.example',
      timestamp: '2026-11-20T10:00:00.000Z',
      attachments: [
        { filename: 'a.png', content_type: 'image/png', content_id: 'x' },
        { filename: 'Übersicht.pdf', content_type: 'application/pdf', size: 5 },
      ],
    });
  });

  test('a machine’s header is honoured: an out-of-office is nobody’s ticket', async () => {
    const { body } = await push(
      await door(),
      mail({ headers: { 'Auto-Submitted': 'auto-replied' } }),
    );
    expect(body).toMatchObject({ status: 'processed', ticket: null, action: 'stored' });
  });

  test('without a Message-ID is known by what it says', async () => {
    const channel = await door();
    const one = mail({ message_id: undefined });
    const first = await push(channel, one);
    expect((await push(channel, one)).body).toEqual(first.body);
    const other = await push(channel, { ...one, text: 'Something else' });
    expect(other.body.email_id).not.toBe(first.body.email_id);
    const shown = await ada.call('GET', `/v1/messages/${first.body.email_id}`);
    expect(shown.body.message_id).toBeNull();
  });

  test('can’t smuggle a header in', async () => {
    const channel = await door();
    const { body } = await push(
      channel,
      mail({ subject: 'x\r\nBcc: all@shop.example', headers: { 'X-A': 'b\r\nX-Evil: yes' } }),
    );
    const source = await ada.call('GET', `/v1/messages/${body.email_id}/source`);
    expect(source.text).not.toMatch(/^(Bcc|X-Evil):/im);
    expect(Object.fromEntries(source.headers)).toMatchObject({
      'content-type': 'message/rfc822',
      'content-disposition': expect.stringContaining(`${body.email_id}.eml`),
      'content-length': String(Buffer.byteLength(source.text)),
    });
  });

  test.each([
    ['not json', '/', /no JSON/],
    [{}, '/from', /missing|Invalid|wants/],
    [{ from: 'nobody' }, '/from', /address/],
    [{ from: 'a@b.example', date: 'yesterday' }, '/date', /no date/],
    [{ from: 'a@b.example', attachments: [{ content: '%%' }] }, '/attachments/0/content', /base64/],
    [{ from: 'a@b.example', headers: { 'a b': 'x' } }, '/headers', /name/],
    ['[]', '/', /./],
  ])('%j is refused, pointing at %s', async (given, pointer, message) => {
    const { status, body } = await push(await door(), given);
    expect(status).toBe(422);
    expect(body.errors).toContainEqual({ pointer, message: expect.stringMatching(message) });
  });
});
