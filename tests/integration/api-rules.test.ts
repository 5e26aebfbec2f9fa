// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ingestStaged } from '../../activities/ingestion.ts';
import { inTenant } from '../../db/connection.ts';
import { loadChannel } from '../../db/queries/channels.ts';
import { request, startTestApi, type Client, type TestApi } from './api-fixture.ts';

let api: TestApi;
let ada: Client;
beforeAll(async () => {
  api = await startTestApi();
  ada = await api.client('ada');
});
afterAll(() => api.close());

const always = { all: [{ field: 'subject', exists: true }] };
const one = (then: object, when: object = always) => ({ rules: [{ name: 'Rule', when, then }] });

async function newChannel(rules: unknown, more: object = {}) {
  return ada.call('POST', '/v1/channels', { provider: 'mime', name: 'Mail', rules, ...more });
}

/** Hands raw mail in at the channel's door and ingests it. */
async function receive(channel: { id: string; ingress_token: string }, raw: string) {
  const answer = await request(`${api.url}/ingress/mime/${channel.id}`, 'POST', raw, {
    authorization: `Bearer ${channel.ingress_token}`,
    'content-type': 'message/rfc822',
  });
  const loaded = await loadChannel(api.db, api.keys, ada.tenantId, channel.id);
  await ingestStaged(api.deps, loaded!, () => {});
  return answer.body.source_id as string;
}

describe('rules that are saved', () => {
  test('are shown as they are, defaults filled in, and changed as a whole', async () => {
    const made = await newChannel({ autoresponder: { text: 'Hello {{sender.name}}' } });
    expect([made.status, made.body.rules]).toEqual([
      201,
      { autoresponder: { enabled: true, hours: 24, text: 'Hello {{sender.name}}' } },
    ]);
    const path = `/v1/channels/${made.body.id}`;
    const nobody = expect.stringMatching(/autoresponder answers nobody/);
    const silent = expect.arrayContaining([nobody]);
    expect(made.body.warnings).toEqual(silent);
    expect((await ada.call('POST', `${path}/validate`)).body.warnings).toEqual(silent);
    const dryRun = await ada.call('POST', `${path}/rules:test`, { source: MAIL });
    expect(dryRun.body.autoresponder).toMatchObject({ answers: false, reason: nobody });
    const renamed = await ada.call('PATCH', path, { name: 'Other' });
    expect(renamed.body.warnings).toEqual(silent);
    expect(renamed.body.rules).toEqual(made.body.rules);
    const changed = await ada.call('PATCH', path, { rules: { subject_keywords: ['order'] } });
    expect(changed.body.rules).toEqual({ subject_keywords: ['order'] });
    expect((await ada.call('PATCH', path, { rules: null })).body.rules).toBeNull();
  });

  test('name teams and agents as admins do; their ids are kept', async () => {
    const team = (await ada.call('POST', '/v1/teams', { name: 'Tier 2' })).body;
    const agent = (
      await ada.call('POST', '/v1/agents', { name: 'Bo', addresses: ['bo@corp.example'] })
    ).body;
    const { body } = await newChannel(one({ team: 'tier 2', assignee: 'BO@corp.example' }));
    expect(body.rules.rules[0].then).toEqual({ team: team.id, assignee: agent.id });
  });

  test.each([
    [one({ team: 'Nobody' }), '/rules/rules/0/then/team', /no active team "Nobody"/],
    [one({ assignee: 'x@y.example' }), '/rules/rules/0/then/assignee', /no active agent/],
    [
      one({}, { any: [{ field: 'subject', matches: '[a' }] }),
      '/rules/rules/0/when/any/0/matches',
      /RE2/,
    ],
    [one({ prio: 'high' }), '/rules/rules/0/then/prio', /no such field/],
    [one({ priority: 'highest' }), '/rules/rules/0/then/priority', /urgent/],
    [{ blocklist: { domains: ['a b'] } }, '/rules/blocklist/domains/0', /domain/],
    [{ aliases: ['nobody'] }, '/rules/aliases/0', /address/],
  ])('%j are refused at %s', async (rules, pointer, message) => {
    const { status, body } = await newChannel(rules);
    expect(status).toBe(422);
    expect(body.errors).toContainEqual({ pointer, message: expect.stringMatching(message) });
  });

  test('give the channel more addresses, which nobody else may have', async () => {
    const made = await newChannel({ aliases: ['Sales@shop.example'] });
    expect(made.status).toBe(201);
    const again = await newChannel({ aliases: ['sales@shop.example'] });
    expect([again.status, again.body.type]).toEqual([409, 'urn:postroom:problem:address_taken']);
    await ada.call('PATCH', `/v1/channels/${made.body.id}`, { name: 'Still mine' });
    expect((await newChannel({ aliases: ['sales@shop.example'] })).status).toBe(409);
    await ada.call('PATCH', `/v1/channels/${made.body.id}`, { rules: null });
    expect((await newChannel({ aliases: ['sales@shop.example'] })).status).toBe(201);
  });
});

const MAIL = [
  'From: Ada <ada@kunde.example>',
  'To: support@shop.example',
  'Subject: Order 4711',
  `Date: ${new Date().toUTCString()}`,
  'Message-ID: <a@kunde.example>',
  '',
  'Where is it?',
].join('\r\n');

describe('the dry run', () => {
  const rules = {
    ...one(
      { priority: 'high', tags: ['order'], group_by: { pattern: 'order (\\d+)' } },
      { all: [{ field: 'subject', matches: 'order \\d+' }] },
    ),
    autoresponder: { text: 'Hi' },
  };
  const path = (id: string) => `/v1/channels/${id}/rules:test`;
  const expected = {
    outcome: 'ticket',
    filtered: null,
    actions: { priority: 'high', tags: ['order'], spam: false, group: { rule: 'Rule' } },
    rules: [
      {
        name: 'Rule',
        matched: true,
        conditions: [{ of: 'all', holds: true, found: 'Order 4711' }],
      },
    ],
    autoresponder: { answers: true, to: { address: 'ada@kunde.example' } },
  };
  const changes = () =>
    inTenant(api.db, ada.tenantId, async (tx) => [
      await tx
        .selectFrom('messages')
        .select((eb) => eb.fn.countAll().as('n'))
        .execute(),
      await tx
        .selectFrom('tickets')
        .select((eb) => eb.fn.countAll().as('n'))
        .execute(),
      await tx
        .selectFrom('contacts')
        .select((eb) => eb.fn.countAll().as('n'))
        .execute(),
    ]);

  test('shows the same of a raw mail, of base64, of fields and of a stored message', async () => {
    // Nobody answers there: that it can't be tried now keeps it from nothing.
    const smtp = { host: '127.0.0.1', port: 9, security: 'none' };
    const { body: channel } = await newChannel(rules, { settings: { smtp } });
    expect(channel.warnings).not.toContainEqual(expect.stringContaining('autoresponder'));
    const sourceId = await receive(channel, MAIL);
    const { body: stored } = await ada.call('GET', `/v1/messages?source_id=${sourceId}`);
    const before = await changes();
    const fields = {
      from: 'Ada <ada@kunde.example>',
      to: ['support@shop.example'],
      subject: 'Order 4711',
      text: 'Where is it?',
    };
    for (const given of [
      { source: MAIL },
      { source: Buffer.from(MAIL).toString('base64') },
      { fields },
      { message_id: stored.data[0].id },
      { source_id: sourceId },
    ]) {
      const { status, body } = await ada.call('POST', path(channel.id), given);
      expect([status, body]).toMatchObject([200, expected]);
    }
    expect(await changes()).toEqual(before);
  });

  test('tries rules that are not saved, checked as if they were', async () => {
    const { body: channel } = await newChannel(null);
    const tried = await ada.call('POST', path(channel.id), {
      source: MAIL,
      rules: { blocklist: { domains: ['kunde.example'] } },
    });
    expect(tried.body).toMatchObject({
      outcome: 'filtered',
      filtered: { by: 'blocklist' },
      autoresponder: { answers: false },
    });
    const keyword = await ada.call('POST', path(channel.id), {
      source: MAIL,
      rules: { subject_keywords: ['invoice'] },
    });
    expect(keyword.body).toMatchObject({ outcome: 'answers_only' });
    const wrong = await ada.call('POST', path(channel.id), {
      source: MAIL,
      rules: one({}, { all: [{ field: 'subject', matches: '(' }] }),
    });
    expect([wrong.status, wrong.body.errors[0].pointer]).toEqual([
      422,
      '/rules/rules/0/when/all/0/matches',
    ]);
    const unknown = await ada.call('POST', path(channel.id), {
      source: MAIL,
      rules: one({ team: 'Nobody' }),
    });
    expect(unknown.body.errors[0].pointer).toBe('/rules/rules/0/then/team');
  });

  test('wants one mail, which is there', async () => {
    const { body: channel } = await newChannel(null);
    expect((await ada.call('POST', path(channel.id), {})).status).toBe(422);
    const two = await ada.call('POST', path(channel.id), { source: MAIL, message_id: 'msg_1' });
    expect(two.status).toBe(422);
    const missing = await ada.call('POST', path(channel.id), { message_id: 'msg_1' });
    expect(missing.status).toBe(404);
    const foreign = await (
      await api.client('bob')
    ).call('POST', path(channel.id), {
      source: MAIL,
    });
    expect(foreign.status).toBe(404);
  });
});

test('the journal lists what was turned away, with its bytes, and lets it in', async () => {
  const { body: channel } = await newChannel({ blocklist: { senders: ['ada@kunde.example'] } });
  const id = await receive(channel, MAIL);
  const list = await ada.call('GET', `/v1/filtered?channel_id=${channel.id}`);
  expect(list.body.data).toEqual([
    {
      id,
      channel_id: channel.id,
      provider_message_id: null,
      by: 'blocklist',
      rule: null,
      detail: 'The blocklist names the sender ada@kunde.example.',
      size: MAIL.length,
      received_at: expect.any(String),
      source_url: `/v1/filtered/${id}/source`,
    },
  ]);
  expect((await ada.call('GET', `/v1/filtered/${id}/source`)).text).toBe(MAIL);
  const status = await ada.call('GET', `/v1/channels/${channel.id}/status`);
  expect(status.body).toMatchObject({ messages_received: 0, messages_filtered: 1 });
  expect((await (await api.client('bob')).call('GET', '/v1/filtered')).body.data).toEqual([]);
  const released = await ada.call('POST', `/v1/filtered/${id}/release`);
  expect([released.status, released.body]).toEqual([202, { id, status: 'staged' }]);
  expect((await ada.call('POST', `/v1/filtered/${id}/release`)).status).toBe(404);
});
