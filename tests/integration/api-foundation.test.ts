import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { once } from '../../api/middleware/idempotency.ts';
import { inTenant } from '../../db/connection.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { eventually } from '../harness/index.ts';
import { request, startTestApi, type Client, type TestApi } from './api-fixture.ts';

let api: TestApi;
let ada: Client;
let limited: TestApi;

beforeAll(async () => {
  [api, limited] = await Promise.all([
    startTestApi(),
    startTestApi({ POSTROOM_TENANT_RATE_PER_MINUTE: '3' }),
  ]);
  ada = await api.client('ada');
});
afterAll(async () => {
  await Promise.all([api.close(), limited.close()]);
});

const newKey = { name: 'ci', scopes: ['events:read'] };

test('an unknown route is a 404 problem document that carries the request id', async () => {
  const { status, headers, body } = await request(`${api.url}/v1/nothing`, 'GET', undefined, {
    'x-request-id': 'my-trace.1',
  });
  expect(status).toBe(404);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(headers.get('x-request-id')).toBe('my-trace.1');
  expect(body).toEqual({
    type: 'urn:postroom:problem:not_found',
    title: 'Not Found',
    status: 404,
    detail: expect.stringContaining('/docs'),
    instance: 'my-trace.1',
  });
});

test('a wrong method is 405 and names the right ones', async () => {
  const { status, headers } = await ada.call('PUT', '/v1/api-keys', {});
  expect(status).toBe(405);
  expect(headers.get('allow')).toBe('POST, GET, HEAD, OPTIONS');
});

test.each([
  ['no key', {}],
  ['a wrong scheme', { authorization: 'Basic abc' }],
  ['a malformed key', { authorization: 'Bearer prk_x' }],
  ['an unknown key', { 'x-api-key': `prk_01JD0000000000000000000000_${'a'.repeat(43)}` }],
])('%s is 401 with a challenge', async (_name, headers) => {
  const answer = await request(`${api.url}/v1/api-keys`, 'GET', undefined, headers);
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
});

test('the right id with a wrong secret is 401', async () => {
  const forged = ada.key.slice(0, -1) + (ada.key.endsWith('a') ? 'b' : 'a');
  const { status } = await request(`${api.url}/v1/api-keys`, 'GET', undefined, {
    authorization: `Bearer ${forged}`,
  });
  expect(status).toBe(401);
});

test('X-API-Key works as Bearer does', async () => {
  const { status } = await request(`${api.url}/v1/api-keys`, 'GET', undefined, {
    'x-api-key': ada.key,
  });
  expect(status).toBe(200);
});

test('a key without the scope is 403 and hears which one it lacks', async () => {
  const reader = await api.client('ada', ['events:read']);
  const { status, body } = await reader.call('GET', '/v1/api-keys');
  expect([status, body.detail]).toEqual([403, expect.stringContaining('keys:admin')]);
});

test('a key can not give away more than it has', async () => {
  const admin = await api.client('ada', ['keys:admin']);
  const { status } = await admin.call('POST', '/v1/api-keys', { name: 'x', scopes: ['*'] });
  expect(status).toBe(403);
});

test('a made key is shown once, works, and stops within seconds of its revocation', async () => {
  const made = await ada.call('POST', '/v1/api-keys', { name: 'ci', scopes: ['keys:admin'] });
  expect(made.status).toBe(201);
  const use = () =>
    request(`${api.url}/v1/api-keys`, 'GET', undefined, {
      authorization: `Bearer ${made.body.key}`,
    });
  const listed = await use();
  expect(listed.status).toBe(200);
  expect(listed.text).not.toContain(made.body.key);
  expect((await ada.call('DELETE', `/v1/api-keys/${made.body.id}`)).status).toBe(204);
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  expect((await use()).status).toBe(401);
});

test.each([
  ['malformed JSON', '{"name": ', 'application/json', 400, 'malformed_json'],
  ['no body', '', 'application/json', 400, 'body_missing'],
  ['a form', 'name=x', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
  ['too much', `"${'x'.repeat(1_100_000)}"`, 'application/json', 413, 'too_large'],
  ['a NUL', '{"name":"a\\u0000","scopes":["*"]}', 'application/json', 422, 'unstorable_text'],
])('%s is refused', async (_name, text, type, status, code) => {
  const answer = await ada.call('POST', '/v1/api-keys', text, { 'content-type': type });
  expect([answer.status, answer.body.type]).toEqual([status, `urn:postroom:problem:${code}`]);
});

test('a body that does not fit names each field, and no value', async () => {
  const { status, body, text } = await ada.call('POST', '/v1/api-keys', {
    scopes: ['everything-secret'],
    nmae: 'ci',
  });
  expect(status).toBe(422);
  expect(body.errors.map((error: { pointer: string }) => error.pointer).toSorted()).toEqual([
    '/name',
    '/nmae',
    '/scopes/0',
  ]);
  expect(text).not.toContain('everything-secret');
});

test('a query that does not fit is 400', async () => {
  const { status, body } = await ada.call('GET', '/v1/api-keys?limit=201');
  expect([status, body.errors[0].pointer]).toEqual([400, '/query/limit']);
  const cursor = await ada.call('GET', '/v1/api-keys?cursor=%00%7B');
  expect([cursor.status, cursor.body.errors[0].pointer]).toEqual([400, '/query/cursor']);
});

test('a list pages by cursor without gap or repeat', async () => {
  const pager = await api.client('pager');
  for (let i = 0; i < 4; i++) await pager.call('POST', '/v1/api-keys', newKey);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const { body } = await pager.call('GET', `/v1/api-keys?limit=2${query}`);
    seen.push(...body.data.map((key: { id: string }) => key.id));
    cursor = body.next_cursor;
  } while (cursor !== null);
  expect(seen).toHaveLength(5);
  expect(new Set(seen).size).toBe(5);
});

test('a repeat with the same Idempotency-Key gets the first answer and does nothing', async () => {
  const headers = { 'idempotency-key': 'make-ci-key' };
  const first = await ada.call('POST', '/v1/api-keys', newKey, headers);
  const again = await ada.call('POST', '/v1/api-keys', newKey, headers);
  expect(again.status).toBe(201);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  const stored = await inTenant(api.db, ada.tenantId, (tx) =>
    tx
      .selectFrom('idempotency_keys')
      .select('body')
      .where('key', '=', 'make-ci-key')
      .executeTakeFirst(),
  );
  expect(JSON.stringify(stored)).not.toContain(first.body.key.slice(31));
});

test('the same key with another body is 422; another tenant may use it', async () => {
  const headers = { 'idempotency-key': 'shared-name' };
  expect((await ada.call('POST', '/v1/api-keys', newKey, headers)).status).toBe(201);
  const other = await ada.call('POST', '/v1/api-keys', { ...newKey, name: 'other' }, headers);
  expect([other.status, other.body.type]).toEqual([
    422,
    'urn:postroom:problem:idempotency_key_reused',
  ]);
  const grace = await api.client('grace');
  expect((await grace.call('POST', '/v1/api-keys', newKey, headers)).status).toBe(201);
});

test('ten at once with one key make one thing', async () => {
  const headers = { 'idempotency-key': 'ten-at-once' };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => ada.call('POST', '/v1/api-keys', newKey, headers)),
  );
  const ids = new Set(answers.filter(({ status }) => status === 201).map(({ body }) => body.id));
  expect(ids.size).toBe(1);
  for (const { status, headers: answered } of answers.filter(({ status }) => status !== 201)) {
    expect(status).toBe(409);
    expect(Number(answered.get('retry-after'))).toBeGreaterThan(0);
  }
});

test('a refused request frees its key', async () => {
  const admin = await api.client('ada', ['keys:admin']);
  const headers = { 'idempotency-key': 'refused-first' };
  expect((await admin.call('POST', '/v1/api-keys', newKey, headers)).status).toBe(403);
  const mended = { ...newKey, scopes: ['keys:admin'] };
  expect((await admin.call('POST', '/v1/api-keys', mended, headers)).status).toBe(201);
});

test('a key left locked by a crash is taken over after its lock, and finds what the first try made', async () => {
  const headers = { 'idempotency-key': 'crashed' };
  const first = await ada.call('POST', '/v1/api-keys', newKey, headers);
  const setLock = (until: string) =>
    inTenant(api.db, ada.tenantId, (tx) =>
      sql`update idempotency_keys set status = null, body = null, locked_until = now() + ${until}::interval
           where key = 'crashed'`.execute(tx),
    );
  await setLock('17 seconds');
  const locked = await ada.call('POST', '/v1/api-keys', newKey, headers);
  expect([locked.status, locked.body.type]).toEqual([409, 'urn:postroom:problem:in_progress']);
  const seconds = Number(locked.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(10);
  expect(seconds).toBeLessThanOrEqual(17);
  expect(locked.body.detail).toContain(`the key is free in ${seconds} s`);
  await setLock('-1 second');
  const again = await ada.call('POST', '/v1/api-keys', newKey, headers);
  expect(again.status).toBe(201);
  expect(again.body.id).toBe(first.body.id);
  expect(again.headers.has('idempotent-replayed')).toBe(false);
});

test('a request under way keeps its key locked, 20 s at a time, and its answer for the repeat', async () => {
  const keys = KeyRing.parse(KeyRing.generate());
  const slow = { tenantId: ada.tenantId, key: 'slow', fingerprint: Buffer.alloc(32) };
  const lockEnd = async () => {
    const { rows } = await inTenant(api.db, ada.tenantId, (tx) =>
      sql<{ end: Date; left: number }>`
        select locked_until as "end", extract(epoch from locked_until - now())::float8 as left
          from idempotency_keys where key = 'slow'`.execute(tx),
    );
    return rows[0]!;
  };
  const answer = { status: 201, body: { made: 1 }, headers: {} };
  const first = await once({ db: api.db, keys }, slow, async () => {
    const { end, left } = await lockEnd();
    expect(left).toBeLessThanOrEqual(20);
    await eventually(async () => {
      expect((await lockEnd()).end.getTime()).toBeGreaterThan(end.getTime());
    }, 90_000);
    return answer;
  });
  expect(first).toEqual(answer);
  const repeat = await once({ db: api.db, keys }, slow, () => {
    throw new Error('it was done before');
  });
  expect(repeat).toMatchObject({ status: 201, headers: { 'Idempotent-Replayed': 'true' } });
}, 240_000);

test('an empty Idempotency-Key is refused', async () => {
  const { status } = await ada.call('POST', '/v1/api-keys', newKey, { 'idempotency-key': '' });
  expect(status).toBe(400);
});

test('beyond the rate a key hears 429 with standard headers; another key does not', async () => {
  const [one, two] = [await limited.client('one'), await limited.client('two')];
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push(await one.call('GET', '/v1/api-keys'));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  expect(answers[0]!.headers.get('ratelimit')).toMatch(/r=2/);
  expect(answers[0]!.headers.get('ratelimit-policy')).toMatch(/q=3; w=60/);
  expect(Number(answers[3]!.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answers[3]!.headers.get('content-type')).toBe('application/problem+json');
  expect((await two.call('GET', '/v1/api-keys')).status).toBe(200);
});

test('health, readiness, metrics, description and documentation need no key', async () => {
  expect((await request(`${api.url}/healthz`, 'GET')).status).toBe(200);
  const ready = await request(`${api.url}/readyz`, 'GET');
  expect([ready.status, ready.body]).toEqual([
    200,
    { status: 'ready', parts: [{ name: 'database', ok: true, detail: '' }] },
  ]);
  const metrics = await request(`${api.url}/metrics`, 'GET');
  expect(metrics.text).toMatch(
    /postroom_http_request_duration_seconds_count\{.*route="\/v1\/api-keys"/,
  );
  const docs = await request(`${api.url}/docs/`, 'GET');
  expect(docs.status).toBe(200);
  expect(docs.headers.get('content-security-policy')).toContain("script-src 'self'");
  for (const [, asset] of docs.text.matchAll(/(?:src|href)="(\.\/[^"]+)"/g))
    expect((await request(new URL(asset!, `${api.url}/docs/`).href, 'GET')).status).toBe(200);
  expect((await request(`${api.url}/docs`, 'GET')).headers.get('location')).toBe('/docs/');
});

test('a part that is not ready is named, and makes it 503', async () => {
  const broken = await startTestApi(
    {},
    { readiness: () => Promise.resolve([{ name: 'temporal', ok: false, detail: 'start it' }]) },
  );
  const { status, body } = await request(`${broken.url}/readyz`, 'GET');
  await broken.close();
  expect(status).toBe(503);
  expect(body.parts).toContainEqual({ name: 'temporal', ok: false, detail: 'start it' });
});

test('the access log holds ids and no address, search word or key', async () => {
  await ada.call('GET', '/v1/api-keys?limit=7&cursor=secretword');
  const lines = api.logLines.join('');
  expect(lines).toContain('"route":"/v1/api-keys"');
  expect(lines).toContain(ada.tenantId);
  expect(lines).not.toContain('secretword');
  expect(lines).not.toContain(ada.key.slice(31));
  expect(lines).not.toContain(createHash('sha256').update(ada.key.slice(31)).digest('hex'));
});
