import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inTenant } from '../../db/connection.ts';
import { loadChannel } from '../../db/queries/channels.ts';
import { startTestApi, type ApiAnswer, type Client, type TestApi } from './api-fixture.ts';

let api: TestApi;
let ada: Client;
let grace: Client;

beforeAll(async () => {
  api = await startTestApi();
  [ada, grace] = await Promise.all([api.client('ada'), api.client('grace')]);
});
afterAll(() => api.close());

const door = (name: string, more: object = {}) => ({
  provider: 'smtp',
  name,
  address: `${name}@example.com`,
  ...more,
});
const make = (body: object, client = ada) => client.call('POST', '/v1/channels', body);
const lastFlush = () => api.relay.flushed.at(-1)!;

test('a channel is made, shown, listed, and its workflow is told', async () => {
  const { status, headers, body } = await make(door('support'));
  expect(status).toBe(201);
  expect(headers.get('location')).toBe(`/v1/channels/${body.id}`);
  expect(body).toMatchObject({
    id: expect.stringMatching(/^chn_[0-9A-Z]{26}$/),
    provider: 'smtp',
    address: 'support@example.com',
    settings: { poll_seconds: 300, max_retries: 3, timeout_seconds: 30 },
    is_active: true,
    state: 'connecting',
    ingress_url: null,
    warnings: [expect.stringContaining('outgoing server')],
  });
  expect(body).not.toHaveProperty('ingress_token');
  const news = { changed: true, push: false, renew: false };
  const told = { provider: 'smtp', version: expect.any(Number), ...news };
  expect([...lastFlush().channels]).toEqual([[body.id, told]]);
  const { warnings: _warnings, ...shown } = body;
  expect((await ada.call('GET', `/v1/channels/${body.id}`)).body).toEqual(shown);
  const listed = await ada.call('GET', '/v1/channels?provider=smtp');
  expect(listed.body.data).toContainEqual(shown);
});

test('the status has the fields of the contract', async () => {
  const { body } = await make(door('status'));
  const status = await ada.call('GET', `/v1/channels/${body.id}/status`);
  expect(status.body).toEqual({
    state: 'connecting',
    detail: expect.any(String),
    messages_received: 0,
    messages_filtered: 0,
    set_aside: 0,
    last_message_at: null,
    next_sweep_at: null,
    watch_expires_at: null,
    last_error: null,
    import: null,
    warnings: [expect.stringMatching(/^No outgoing server/)],
    health: null,
    waiting: [],
    workflow_url: api.relay.workflowUrl(`mailbox/${ada.tenantId}/${body.id}`),
  });
});

test('secrets are sealed at rest, never shown, and open for those who use them', async () => {
  const smtp = { host: '127.0.0.1', security: 'none', username: 'u', password: 'hunter2-secret' };
  const { body, text } = await make(door('sealed', { settings: { smtp }, is_active: false }));
  expect(text).not.toContain('hunter2-secret');
  expect(body.settings.smtp).toMatchObject({ username: 'u', verify_tls: true });
  expect(body.secrets_set).toEqual(['smtp.password']);
  const row = await inTenant(api.db, ada.tenantId, (tx) =>
    tx.selectFrom('channels').selectAll().where('id', '=', body.id).executeTakeFirstOrThrow(),
  );
  expect(JSON.stringify(row.settings)).not.toContain('hunter2');
  expect(row.secrets!.includes('hunter2')).toBe(false);
  const loaded = await loadChannel(api.db, api.keys, ada.tenantId, body.id);
  expect(loaded!.settings).toEqual({ smtp });
});

test('a patch keeps secrets that it leaves out, and takes away what it sets to null', async () => {
  const smtp = { host: '127.0.0.1', security: 'none', username: 'u', password: 'kept' };
  const { body } = await make(door('patched', { settings: { smtp } }));
  const patch = (settings: object) => ada.call('PATCH', `/v1/channels/${body.id}`, { settings });
  const changed = await patch({ smtp: { port: 2587 }, poll_seconds: 60 });
  expect(changed.status).toBe(200);
  const settings = async () =>
    (await loadChannel(api.db, api.keys, ada.tenantId, body.id))!.settings;
  expect(await settings()).toEqual({ smtp: { ...smtp, port: 2587 }, poll_seconds: 60 });
  expect(lastFlush().channels.get(body.id)?.changed).toBe(true);

  expect((await patch({ smtp: { password: null } })).body.errors[0].pointer).toBe(
    '/settings/smtp/password',
  );
  const without = await patch({ smtp: null });
  expect([without.body.settings.smtp, without.body.secrets_set]).toEqual([undefined, []]);
  expect(await settings()).toEqual({ poll_seconds: 60 });
});

test('settings that do not fit are 422 with a pointer, and their values are not repeated', async () => {
  const { status, body, text } = await make({
    provider: 'imap',
    name: 'x',
    settings: { host: 'mail.example.com', password: ['s3cret'], folders: 'INBOX' },
  });
  expect(status).toBe(422);
  expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
    '/settings/folders',
    '/settings/password',
    '/settings/username',
  ]);
  expect(text).not.toContain('s3cret');
  expect((await make({ provider: 'fax', name: 'x' })).body.errors[0].pointer).toBe('/provider');
  expect((await make({ provider: 'smtp', name: 'x' })).body.errors[0].pointer).toBe('/address');
});

test('an address belongs to one channel of the installation, until that one is deleted', async () => {
  const first = await make(door('unique', { settings: { aliases: ['Alias@Example.com'] } }));
  const addresses = [{ address: 'UNIQUE@example.com' }, { address: 'alias@example.com' }];
  for (const address of addresses) {
    const taken = await make(door('other', address), grace);
    expect([taken.status, taken.body.type]).toEqual([409, 'urn:postroom:problem:address_taken']);
  }
  const other = await make(door('other'), grace);
  const moved = await grace.call('PATCH', `/v1/channels/${other.body.id}`, addresses[0]);
  expect(moved.status).toBe(409);

  expect((await ada.call('DELETE', `/v1/channels/${first.body.id}`)).status).toBe(204);
  expect(lastFlush().channels.get(first.body.id)?.changed).toBe(true);
  expect((await ada.call('GET', `/v1/channels/${first.body.id}`)).status).toBe(404);
  expect((await make(door('again', addresses[0]), grace)).status).toBe(201);
});

test('two admins who change a channel at once overwrite nothing of each other', async () => {
  const { body } = await make(door('busy'));
  const url = `/v1/channels/${body.id}`;
  await Promise.all([
    ada.call('PATCH', url, { settings: { poll_seconds: 61 } }),
    ada.call('PATCH', url, { settings: { max_retries: 7 } }),
    ada.call('PATCH', url, { name: 'Busy' }),
  ]);
  const { body: after } = await ada.call('GET', url);
  expect(after).toMatchObject({ name: 'Busy', settings: { poll_seconds: 61, max_retries: 7 } });
});

test('start, pause, resume, sync and stop are idempotent and shown at once', async () => {
  const { body } = await make(door('life', { is_active: false }));
  expect([body.state, body.is_active]).toEqual(['stopped', false]);
  const act = async (action: string): Promise<[number, string]> => {
    const answer: ApiAnswer = await ada.call('POST', `/v1/channels/${body.id}/${action}`);
    return [answer.status, answer.body.state ?? answer.body.type];
  };
  const stopped = [409, 'urn:postroom:problem:channel_stopped'];
  for (const action of ['pause', 'resume', 'sync']) expect(await act(action)).toEqual(stopped);
  const steps = [
    ['start', 200, 'connecting', 1],
    ['start', 200, 'connecting', 0],
    ['pause', 200, 'paused', 1],
    ['pause', 200, 'paused', 0],
    ['sync', 409, 'urn:postroom:problem:channel_paused', 0],
    ['resume', 200, 'connecting', 1],
    ['resume', 200, 'connecting', 0],
    ['sync', 202, 'connecting', 1],
  ] as const;
  for (const [action, status, state, told] of steps) {
    const before = api.relay.flushed.filter(({ channels }) => channels.has(body.id)).length;
    expect([action, ...(await act(action))]).toEqual([action, status, state]);
    const after = api.relay.flushed.filter(({ channels }) => channels.has(body.id)).length;
    expect([action, after - before]).toEqual([action, told]);
  }
  const patched = await ada.call('PATCH', `/v1/channels/${body.id}`, { is_active: false });
  expect([patched.body.state, patched.body.is_active]).toEqual(['stopped', false]);
});

test('sync of all reaches the running channels of the caller alone', async () => {
  const [mine, paused, theirs] = await Promise.all([
    make(door('all-mine')),
    make(door('all-paused')),
    make(door('all-theirs'), grace),
  ]);
  await ada.call('POST', `/v1/channels/${paused.body.id}/pause`);
  const { status, body } = await ada.call('POST', '/v1/channels/sync?provider=smtp');
  const ids = body.data.map(({ id }: { id: string }) => id);
  expect(status).toBe(202);
  expect(ids).toContain(mine.body.id);
  expect(ids).not.toContain(paused.body.id);
  expect(ids).not.toContain(theirs.body.id);
  expect([...lastFlush().channels.keys()].toSorted()).toEqual(ids.toSorted());
  const none = await ada.call('POST', '/v1/channels/sync?provider=imap');
  expect(none.body.data).toEqual([]);
});

test('the outbox holds what Temporal must be told, in the same transaction', async () => {
  const { body } = await make(door('outbox'));
  const row = await inTenant(api.db, ada.tenantId, (tx) =>
    tx.selectFrom('outbox').selectAll().where('ref', '=', body.id).executeTakeFirst(),
  );
  expect(row).toMatchObject({ kind: 'channel', detail: { provider: 'smtp', changed: true } });
});

test('credentials that fail: made all the same, named by validate, refused at start', async () => {
  const refusing = await mailServer('* BYE not today\r\n');
  const settings = {
    host: '127.0.0.1',
    port: refusing.port,
    security: 'none',
    username: 'ada@mail.example',
    password: 'wrong-secret',
  };
  const made = await make({ provider: 'imap', name: 'Mailbox', settings });
  expect(made.status).toBe(201);
  expect(made.body.state).toBe('needs_attention');
  expect(made.body.address).toBe('ada@mail.example');
  expect(made.text).not.toContain('wrong-secret');
  const url = `/v1/channels/${made.body.id}`;
  expect((await ada.call('GET', `${url}/status`)).body.last_error).toMatchObject({
    type: expect.stringMatching(/^validation\./),
    detail: expect.any(String),
  });
  const report = await ada.call('POST', `${url}/validate`);
  expect([report.status, report.body.ok]).toEqual([200, false]);
  expect(report.body.problems[0].detail.length).toBeGreaterThan(10);
  const started = await ada.call('POST', `${url}/start`);
  expect([started.status, started.body.type]).toEqual([
    422,
    'urn:postroom:problem:validation_failed',
  ]);
  await refusing.close();
}, 240_000);

test('two channels may read one mailbox; only a written address must be free', async () => {
  const settings = {
    host: '127.0.0.1',
    username: 'shared@mail.example',
    password: 'x',
  };
  const imap = { provider: 'imap', name: 'x', settings, is_active: false };
  expect((await make(imap)).status).toBe(201);
  expect((await make({ ...imap, settings: { ...settings, folder: 'Bugs' } })).status).toBe(201);
  expect((await make({ ...imap, address: 'shared@mail.example' })).status).toBe(409);
});

test('another tenant finds nothing at any route of a channel', async () => {
  const { body } = await make(door('private'));
  const url = `/v1/channels/${body.id}`;
  const answers = await Promise.all([
    grace.call('GET', url),
    grace.call('GET', `${url}/status`),
    grace.call('PATCH', url, { name: 'mine now' }),
    grace.call('DELETE', url),
    ...['validate', 'start', 'pause', 'resume', 'sync'].map((action) =>
      grace.call('POST', `${url}/${action}`),
    ),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(Array(9).fill(404));
  const listed = await grace.call('GET', '/v1/channels?limit=200');
  expect(listed.text).not.toContain(body.id);
  expect((await ada.call('GET', url)).body.name).toBe('private');
});

async function mailServer(greeting: string): Promise<{ port: number; close(): Promise<void> }> {
  const server: Server = createServer((socket) =>
    socket.on('error', () => socket.destroy()).end(greeting),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
