import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { inTenant } from '../../db/connection.ts';
import { writeEvents } from '../../db/queries/events.ts';
import { findOrAddContacts } from '../../db/queries/known-contacts.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { stageSource } from '../../db/queries/sources.ts';
import { setAside } from '../../db/queries/staged.ts';
import type { ChannelId } from '../../domain/ids.ts';
import { request, startTestApi, type Client, type TestApi } from './api-fixture.ts';

let api: TestApi;
let ada: Client;
let grace: Client;

beforeAll(async () => {
  api = await startTestApi({ POSTROOM_SMTP_MAX_BYTES: '4000000' });
  [ada, grace] = await Promise.all([api.client('ada'), api.client('grace')]);
});
afterAll(() => api.close());

const hours = {
  monday: [
    ['09:00', '12:00'],
    ['13:00', '17:00'],
  ],
};
const calendar = { name: 'Office', time_zone: 'Europe/Berlin', hours };
const targets = { normal: { first_response_minutes: 60 } };

describe('agents and teams', () => {
  test('an agent is made, changed, listed and deleted', async () => {
    const made = await ada.call('POST', '/v1/agents', { name: 'Lin', addresses: ['lin@ex.com'] });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ role: 'agent', is_active: true, addresses: ['lin@ex.com'] });
    const url = `/v1/agents/${made.body.id}`;
    const changed = await ada.call('PATCH', url, { is_active: false });
    expect(changed.body).toEqual({ ...made.body, is_active: false });
    expect((await ada.call('PATCH', url, {})).body).toEqual(changed.body);
    const active = await ada.call('GET', '/v1/agents?is_active=true');
    expect(active.text).not.toContain(made.body.id);
    expect((await ada.call('GET', '/v1/agents?is_active=false')).body.data).toContainEqual(
      changed.body,
    );
    expect((await ada.call('DELETE', url)).status).toBe(204);
    expect((await ada.call('GET', url)).status).toBe(404);
  });

  test('a team has members of its own tenant only, and a name of its own', async () => {
    const [mine, theirs] = await Promise.all([
      ada.call('POST', '/v1/agents', { name: 'Mine' }),
      grace.call('POST', '/v1/agents', { name: 'Theirs' }),
    ]);
    const team = { name: 'Second level', members: [mine.body.id] };
    const made = await ada.call('POST', '/v1/teams', team);
    expect([made.status, made.body.members]).toEqual([201, [mine.body.id]]);
    expect((await ada.call('POST', '/v1/teams', team)).status).toBe(409);
    const url = `/v1/teams/${made.body.id}`;
    const stolen = await ada.call('PATCH', url, { name: 'X', members: [theirs.body.id] });
    expect([stolen.status, stolen.body.errors[0].pointer]).toEqual([422, '/members']);
    expect((await ada.call('GET', url)).body).toEqual(made.body);
    expect((await ada.call('PATCH', url, { members: [] })).body.members).toEqual([]);
    expect((await ada.call('DELETE', url)).status).toBe(204);
  });
});

describe('contacts', () => {
  test('a contact is found by name and address, and changed', async () => {
    const people = [
      { name: 'Ada Lovelace', address: 'Ada@Example.com' },
      { name: '', address: 'byron@example.com' },
    ];
    const ids = await inTenant(api.db, ada.tenantId, (tx) =>
      findOrAddContacts(tx, ada.tenantId, people),
    );
    const id = ids.get('ada@example.com')!;
    for (const q of ['lovelace', 'ADA@ex'])
      expect((await ada.call('GET', `/v1/contacts?q=${q}`)).body.data).toMatchObject([{ id }]);
    expect((await ada.call('GET', '/v1/contacts?q=%25')).body.data).toEqual([]);
    const url = `/v1/contacts/${id}`;
    const changed = await ada.call('PATCH', url, {
      name: 'Countess',
      addresses: ['Ada@example.com', 'countess@example.com'],
    });
    expect(changed.body).toMatchObject({
      name: 'Countess',
      addresses: ['ada@example.com', 'countess@example.com'],
    });
    const taken = await ada.call('PATCH', url, { addresses: ['byron@example.com'] });
    expect([taken.status, taken.body.errors[0].pointer]).toEqual([409, '/addresses']);
    expect((await ada.call('GET', url)).body).toEqual(changed.body);
  });
});

describe('SLA', () => {
  test('a calendar and a policy are made, changed as a whole, and hold together', async () => {
    const cal = await ada.call('POST', '/v1/calendars', calendar);
    expect([cal.status, cal.body.time_zone]).toEqual([201, 'Europe/Berlin']);
    const policy = { name: 'Gold', targets, calendar_id: cal.body.id };
    const made = await ada.call('POST', '/v1/sla-policies', policy);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ ...policy, warn_at_percent: [80], position: 0 });
    const url = `/v1/sla-policies/${made.body.id}`;
    const patch = { targets: { urgent: { resolution_minutes: 5 } }, position: 3 };
    expect((await ada.call('PATCH', url, patch)).body).toMatchObject({ name: 'Gold', ...patch });
    expect((await ada.call('GET', url)).body).toMatchObject({ name: 'Gold', ...patch });
    const bad = await ada.call('PATCH', url, { warn_at_percent: [120] });
    expect([bad.status, bad.body.errors[0].pointer]).toEqual([422, '/warn_at_percent/0']);
    expect((await ada.call('DELETE', `/v1/calendars/${cal.body.id}`)).status).toBe(409);
    expect((await ada.call('DELETE', url)).status).toBe(204);
    expect((await ada.call('DELETE', `/v1/calendars/${cal.body.id}`)).status).toBe(204);
  });

  test('a policy can name nothing of another tenant', async () => {
    const cal = await grace.call('POST', '/v1/calendars', calendar);
    const team = await grace.call('POST', '/v1/teams', { name: 'Theirs' });
    const policy = { name: 'Stolen', targets };
    const byCalendar = await ada.call('POST', '/v1/sla-policies', {
      ...policy,
      calendar_id: cal.body.id,
    });
    expect([byCalendar.status, byCalendar.body.errors[0].pointer]).toEqual([422, '/calendar_id']);
    const actions = [{ type: 'assign_team', team_id: team.body.id }];
    const byTeam = await ada.call('POST', '/v1/sla-policies', {
      ...policy,
      escalations: [{ level: 1, after_minutes: 5, actions }],
    });
    expect([byTeam.status, byTeam.body.errors[0].pointer]).toEqual([
      422,
      '/escalations/0/actions/0/team_id',
    ]);
  });

  test('a calendar whose day makes no sense is told where', async () => {
    const { status, body } = await ada.call('POST', '/v1/calendars', {
      ...calendar,
      time_zone: 'Mars/Olympus',
      hours: { monday: [['17:00', '09:00']] },
    });
    expect(status).toBe(422);
    const pointers = body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers).toContain('/time_zone');
    expect(pointers.some((pointer: string) => pointer.startsWith('/hours/monday'))).toBe(true);
  });
});

describe('attachments', () => {
  test('an upload comes back byte for byte, as a download that no browser shows', async () => {
    const bytes = randomBytes(2_500_000);
    const made = await ada.call('POST', '/v1/attachments?filename=..%2Fj%C3%A4ger%22.html', bytes, {
      'content-type': 'text/html; charset=utf-8',
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      filename: 'jäger_.html',
      content_type: 'text/html',
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      message_id: null,
    });
    const url = `/v1/attachments/${made.body.id}`;
    expect((await ada.call('GET', url)).body).toEqual(made.body);
    const got = await fetch(`${api.url}${url}/content`, {
      headers: { authorization: `Bearer ${ada.key}` },
    });
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
    expect(Object.fromEntries(got.headers)).toMatchObject({
      'content-type': 'text/html',
      'content-disposition': `attachment; filename="j_ger_.html"; filename*=UTF-8''j%C3%A4ger_.html`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-length': String(bytes.length),
    });
  });

  test('a name comes from Content-Disposition as well; a form and too much are refused', async () => {
    const named = await ada.call('POST', '/v1/attachments', 'hello', {
      'content-disposition': `attachment; filename*=UTF-8''b%C3%A9ret.txt`,
      'content-type': 'text/plain',
    });
    expect(named.body).toMatchObject({ filename: 'béret.txt', size: 5 });
    const form = await ada.call('POST', '/v1/attachments', '--x--', {
      'content-type': 'multipart/form-data; boundary=x',
    });
    expect(form.status).toBe(415);
    expect((await ada.call('POST', '/v1/attachments', Buffer.alloc(4_000_001))).status).toBe(413);
  });

  test('a repeat with the same Idempotency-Key makes one attachment', async () => {
    const headers = { 'idempotency-key': 'upload', 'content-type': 'text/plain' };
    const [first, again] = [
      await ada.call('POST', '/v1/attachments', 'hello', headers),
      await ada.call('POST', '/v1/attachments', 'hello', headers),
    ];
    expect([again.status, again.body]).toEqual([201, first.body]);
  });
});

describe('events', () => {
  const raise = (client: Client, count: number) =>
    inTenant(api.db, client.tenantId, (tx) =>
      writeEvents(
        tx,
        new Pending(client.tenantId),
        Array.from({ length: count }, (_, n) => ({
          type: n % 2 === 0 ? ('channel.needs_attention' as const) : ('channel.recovered' as const),
          ticketId: null,
          sequence: null,
          data: { n },
        })),
      ),
    );
  /** Events wait for the oldest transaction of the whole server, where other tests write too. */
  const allShown = async (client: Client, count: number) => {
    for (;;) {
      const { body } = await client.call('GET', '/v1/events?limit=200');
      if (body.data.length >= count) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const seen = (answer: { body: { data: { data: { n: number } }[] } }) =>
    answer.body.data.map(({ data }) => data.n);

  test('events come in order by cursor, by type, and a follower misses none', async () => {
    const reader = await api.client('reader');
    await raise(reader, 5);
    await raise(grace, 1);
    await allShown(reader, 5);
    const first = await reader.call('GET', '/v1/events?limit=3');
    expect(seen(first)).toEqual([0, 1, 2]);
    const second = await reader.call('GET', `/v1/events?limit=3&cursor=${first.body.next_cursor}`);
    expect([seen(second), second.body.next_cursor]).toEqual([[3, 4], null]);
    const filtered = await reader.call('GET', '/v1/events?types=channel.recovered,ticket.created');
    expect(seen(filtered)).toEqual([1, 3]);
    const follow = (cursor: string) =>
      reader.call('GET', `/v1/events?follow=true&cursor=${cursor}`);
    const end = (await follow(first.body.next_cursor)).body.next_cursor;
    expect((await follow(end)).body).toEqual({ data: [], next_cursor: end });
    await raise(reader, 1);
    await allShown(reader, 6);
    expect(seen(await follow(end))).toEqual([0]);
  });

  test('an event of an open transaction holds back the later ones', async () => {
    const reader = await api.client('patient');
    const [begun, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = inTenant(api.db, reader.tenantId, async (tx) => {
      await sql`select pg_current_xact_id()`.execute(tx);
      begun.resolve();
      await open.promise;
    });
    await begun.promise;
    await raise(reader, 2);
    expect((await reader.call('GET', '/v1/events')).body.data).toEqual([]);
    open.resolve();
    await slow;
    await allShown(reader, 2);
    expect(seen(await reader.call('GET', '/v1/events'))).toEqual([0, 1]);
  });
});

describe('set aside', () => {
  test('it is listed with its reason, its bytes can be had, and it is retried or given up', async () => {
    const channel = await ada.call('POST', '/v1/channels', { provider: 'mime', name: 'Pipe' });
    const id = channel.body.id as ChannelId;
    const { sourceId } = await stageSource(
      api.db,
      { tenantId: ada.tenantId, id, provider: 'mime' },
      { source: Buffer.from('no mail'), providerMessageId: null, receivedAt: new Date() },
    );
    const reason = { type: 'mail.unreadable', detail: 'It has no headers.' };
    const aside = () => setAside(api.db, ada.tenantId, sourceId, reason);
    await aside();
    const listed = await ada.call('GET', `/v1/set-aside?channel_id=${id}`);
    expect(listed.body.data).toMatchObject([{ id: sourceId, channel_id: id, reason, retries: 0 }]);
    expect((await ada.call('GET', `/v1/channels/${id}/status`)).body.set_aside).toBe(1);
    const url = `/v1/set-aside/${sourceId}`;
    expect((await ada.call('GET', url)).body).toEqual(listed.body.data[0]);
    expect((await ada.call('GET', `${url}/source`)).text).toBe('no mail');

    for (let i = 0; i < 2; i++) {
      expect((await ada.call('POST', `${url}/retry`)).status).toBe(202);
      expect(api.relay.flushed.at(-1)!.channels.has(id)).toBe(true);
    }
    expect((await ada.call('GET', url)).status).toBe(404);
    await aside();
    expect((await ada.call('GET', url)).body.retries).toBe(1);
    expect((await ada.call('POST', `${url}/discard`)).status).toBe(204);
    expect((await ada.call('POST', `${url}/discard`)).status).toBe(404);
    expect((await ada.call('POST', `${url}/retry`)).status).toBe(404);
  });
});

test('another tenant finds none of these, at any route', async () => {
  const channel = await ada.call('POST', '/v1/channels', { provider: 'mime', name: 'P' });
  const id = channel.body.id as ChannelId;
  const { sourceId } = await stageSource(
    api.db,
    { tenantId: ada.tenantId, id, provider: 'mime' },
    { source: Buffer.from('x'), providerMessageId: null, receivedAt: new Date() },
  );
  await setAside(api.db, ada.tenantId, sourceId, { type: 'x', detail: 'x' });
  const contacts = await inTenant(api.db, ada.tenantId, (tx) =>
    findOrAddContacts(tx, ada.tenantId, [{ name: 'P', address: 'p@example.com' }]),
  );
  const key = await ada.call('POST', '/v1/api-keys', { name: 'P', scopes: ['*'] });
  const made = {
    agents: (await ada.call('POST', '/v1/agents', { name: 'P' })).body.id,
    teams: (await ada.call('POST', '/v1/teams', { name: 'P' })).body.id,
    calendars: (await ada.call('POST', '/v1/calendars', calendar)).body.id,
    'sla-policies': (await ada.call('POST', '/v1/sla-policies', { name: 'P', targets })).body.id,
    attachments: (await ada.call('POST', '/v1/attachments?filename=p', 'x')).body.id,
    contacts: contacts.get('p@example.com')!,
    'set-aside': sourceId,
    'api-keys': key.body.id,
  };
  const readable = Object.entries(made).filter(([resource]) => resource !== 'api-keys');
  for (const [resource, theirs] of readable) {
    const url = `/v1/${resource}/${theirs}`;
    expect([resource, (await ada.call('GET', url)).status]).toEqual([resource, 200]);
    expect([resource, (await grace.call('GET', url)).status]).toEqual([resource, 404]);
  }
  for (const [resource, theirs] of Object.entries(made))
    expect((await grace.call('GET', `/v1/${resource}?limit=200`)).text).not.toContain(theirs);
  const attempts: [string, string, unknown?][] = [
    ...['agents', 'teams', 'contacts', 'calendars', 'sla-policies'].map(
      (name): [string, string, unknown] => [
        'PATCH',
        `/v1/${name}/${made[name as keyof typeof made]}`,
        { name: 'Mine now' },
      ],
    ),
    ...['agents', 'teams', 'calendars', 'sla-policies', 'api-keys'].map(
      (name): [string, string] => ['DELETE', `/v1/${name}/${made[name as keyof typeof made]}`],
    ),
    ['GET', `/v1/attachments/${made.attachments}/content`],
    ['GET', `/v1/set-aside/${sourceId}/source`],
    ['POST', `/v1/set-aside/${sourceId}/retry`],
    ['POST', `/v1/set-aside/${sourceId}/discard`],
  ];
  for (const [method, url, body] of attempts)
    expect([method, url, (await grace.call(method, url, body)).status]).toEqual([method, url, 404]);
  for (const [resource, theirs] of readable)
    expect((await ada.call('GET', `/v1/${resource}/${theirs}`)).status).toBe(200);
  const stillWorks = await request(`${api.url}/v1/agents`, 'GET', undefined, {
    'x-api-key': key.body.key,
  });
  expect(stillWorks.status).toBe(200);
});
