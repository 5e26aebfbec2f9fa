import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inTenant } from '../../db/connection.ts';
import { readBlob } from '../../db/queries/blobs.ts';
import { request, startTestApi, type Client, type TestApi } from './api-fixture.ts';

const LIMIT = 3 * 1_048_576;
let api: TestApi;
let ada: Client;
let door: { id: string; ingress_url: string; ingress_token: string };

beforeAll(async () => {
  api = await startTestApi({ POSTROOM_SMTP_MAX_BYTES: String(LIMIT) });
  ada = await api.client('ada');
  door = (await ada.call('POST', '/v1/channels', { provider: 'mime', name: 'Pipe' })).body;
});
afterAll(() => api.close());

const mail = 'From: a@example.com\r\nSubject: hi\r\n\r\nhello\r\n';
const path = (id: string) => `${api.url}/ingress/mime/${id}`;
const post = (body: string | Uint8Array, headers: Record<string, string> = {}, id = door.id) =>
  request(path(id), 'POST', body, {
    authorization: `Bearer ${door.ingress_token}`,
    'content-type': 'message/rfc822',
    ...headers,
  });
const sourceOf = (id: string) =>
  inTenant(api.db, ada.tenantId, (tx) =>
    tx.selectFrom('sources').selectAll().where('id', '=', id).executeTakeFirst(),
  );

test('a channel with a door says where it is, and its token once', async () => {
  expect(door.ingress_url).toMatch(new RegExp(`/ingress/mime/${door.id}$`));
  expect(door.ingress_token).toMatch(/^prt_/);
  const shown = await ada.call('GET', `/v1/channels/${door.id}`);
  expect(shown.body.ingress_url).toBe(door.ingress_url);
  expect(shown.text).not.toContain(door.ingress_token);
});

test('a mail is stored byte for byte, unparsed, and the workflow is nudged', async () => {
  const { status, body } = await post(mail);
  expect([status, Object.keys(body)]).toEqual([202, ['source_id']]);
  const source = await sourceOf(body.source_id);
  expect(source).toMatchObject({ status: 'staged', channel_id: door.id, size: mail.length });
  const bytes: Buffer[] = [];
  for await (const chunk of readBlob(api.db, ada.tenantId, source!.sha256)) bytes.push(chunk);
  expect(Buffer.concat(bytes).toString()).toBe(mail);
  expect(api.relay.flushed.at(-1)!.channels.get(door.id)).toMatchObject({ changed: false });
});

test('megabytes stream through, hashed as they were', async () => {
  const big = randomBytes(LIMIT - 10);
  const { status, body } = await post(big);
  expect(status).toBe(202);
  const source = await sourceOf(body.source_id);
  expect(source!.sha256.equals(createHash('sha256').update(big).digest())).toBe(true);
});

test('a repeat with the same Idempotency-Key gets the first receipt', async () => {
  const headers = { 'idempotency-key': 'queue-id-4711' };
  const [first, again] = [await post(mail, headers), await post(mail, headers)];
  expect([again.status, again.body]).toEqual([202, first.body]);
  expect((await post(mail)).body.source_id).not.toBe(first.body.source_id);
});

test.each([
  ['no token', { authorization: '' }],
  ['another token', { authorization: `Bearer prt_${'A'.repeat(43)}` }],
  ['the token in another scheme', { authorization: 'Basic x' }],
])('%s is 401, counted, and nothing is stored', async (_name, headers) => {
  const count = async () =>
    Number(
      /postroom_door_refusals_total\{provider="mime",code="unauthorized"\} (\d+)/.exec(
        (await request(`${api.url}/metrics`, 'GET')).text,
      )?.[1] ?? 0,
    );
  const before = await count();
  expect((await post(mail, headers)).status).toBe(401);
  expect(await count()).toBe(before + 1);
});

test('an API key opens no door, and one door’s token no other', async () => {
  expect((await post(mail, { authorization: `Bearer ${ada.key}` })).status).toBe(401);
  const other = await ada.call('POST', '/v1/channels', { provider: 'mime', name: 'Other' });
  expect((await post(mail, {}, other.body.id)).status).toBe(401);
  expect((await post(mail, {}, 'chn_01JD0000000000000000000000')).status).toBe(404);
});

test('too large is 413, told before or while it streams, and leaves nothing', async () => {
  expect((await post(Buffer.alloc(LIMIT + 1, 'a'))).status).toBe(413);
  expect(await postChunked(LIMIT + 2_000_000)).toMatch(/^HTTP\/1.1 413 /);
  const left = await inTenant(api.db, ada.tenantId, (tx) =>
    tx.selectFrom('blobs').select('sha256').where('complete', '=', false).execute(),
  );
  expect(left).toEqual([]);
});

test('an empty body and a compressed one are refused', async () => {
  expect((await post('')).status).toBe(400);
  expect((await post(mail, { 'content-encoding': 'gzip' })).status).toBe(415);
});

test('a paused door accepts, a stopped one refuses, a deleted one is gone', async () => {
  const made = (await ada.call('POST', '/v1/channels', { provider: 'mime', name: 'Tap' })).body;
  const headers = { authorization: `Bearer ${made.ingress_token}` };
  const url = `/v1/channels/${made.id}`;
  await ada.call('POST', `${url}/pause`);
  expect((await post(mail, headers, made.id)).status).toBe(202);
  await ada.call('PATCH', url, { is_active: false });
  expect((await post(mail, headers, made.id)).status).toBe(409);
  await ada.call('DELETE', url);
  expect((await post(mail, headers, made.id)).status).toBe(404);
});

test('a provider without a door of its own is 404', async () => {
  expect((await request(`${api.url}/ingress/fax/${door.id}`, 'POST', 'x')).status).toBe(404);
  expect((await request(`${api.url}/ingress/imap/${door.id}`, 'POST', 'x')).status).toBe(404);
});

test('where nothing can be stored the door says later', async () => {
  const away = await startTestApi();
  const client = await away.client('away');
  const made = (await client.call('POST', '/v1/channels', { provider: 'mime', name: 'x' })).body;
  await away.db.destroy();
  const { status, headers } = await request(`${away.url}/ingress/mime/${made.id}`, 'POST', mail, {
    authorization: `Bearer ${made.ingress_token}`,
  });
  expect([status, headers.has('retry-after')]).toEqual([503, true]);
  await away.close();
});

/** Sends a body without telling its length first, and reads the status line while sending. */
function postChunked(bytes: number): Promise<string> {
  const { hostname, port, pathname } = new URL(path(door.id));
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', reject);
    socket.once('data', (answer) => {
      resolve(answer.toString().split('\r\n')[0]!);
      socket.destroy();
    });
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${door.ingress_token}\r\n` +
        'Transfer-Encoding: chunked\r\n\r\n',
    );
    const chunk = Buffer.alloc(65_536, 'b');
    for (let sent = 0; sent < bytes; sent += chunk.length) {
      socket.write(`${chunk.length.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write('\r\n');
    }
    socket.write('0\r\n\r\n');
  });
}
