import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { PartAnswer } from './batch.ts';
import { graphDescription } from './description.ts';
import { graphSimulator, type GraphSimulator } from './simulator.ts';

const ADDRESS = 'support@graph.test';
const BOX = `/users/${ADDRESS}`;
let simulator: GraphSimulator;
let authorization: string;
beforeEach(async () => {
  simulator = await graphSimulator();
  const { client_id, client_secret } = simulator.application(ADDRESS) as Record<string, string>; // texts
  const answer = await fetch(`${simulator.url}/common/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: client_id!,
      client_secret: client_secret!,
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  authorization = `Bearer ${((await answer.json()) as { access_token: string }).access_token}`;
});
afterEach(() => simulator.close());

interface Answer {
  readonly status: number;
  /** By their ids. */
  readonly parts: ReadonlyMap<string, PartAnswer>;
  /** In the order in which they came. */
  readonly ids: readonly string[];
}

async function batch(requests: readonly object[], token = authorization): Promise<Answer> {
  const answer = await fetch(`${simulator.url}/v1.0/$batch`, {
    method: 'POST',
    headers: { authorization: token, 'content-type': 'application/json' },
    body: JSON.stringify({ requests }),
  });
  const { responses = [] } = (await answer.json()) as { responses?: PartAnswer[] };
  return {
    status: answer.status,
    parts: new Map(responses.map((part) => [part.id, part])),
    ids: responses.map(({ id }) => id),
  };
}

const get = (id: string, url: string, more: object = {}) => ({ id, method: 'GET', url, ...more });
const deliver = (raw: string | Buffer) =>
  `${BOX}/messages/${encodeURIComponent(simulator.deliver(ADDRESS, raw).immutableId)}`;
const errorIn = (part: PartAnswer | undefined) => [
  part?.status,
  (part?.body as { error?: { code?: unknown } } | undefined)?.error?.code,
];

it('answers each request by itself, what is no JSON in base64, in no order to rely on', async () => {
  const raw = Buffer.from('Subject: x\r\n\r\nGr\xfc\xdfe', 'latin1');
  const path = deliver(raw);
  const { status, parts, ids } = await batch([
    get('a', `${path}/$value`),
    get('b', `${path}?$select=id`),
    get('c', `${BOX}/messages/none`),
  ]);
  expect(status).toBe(200);
  expect(parts.get('a')).toEqual({
    id: 'a',
    status: 200,
    headers: { 'Content-Type': expect.stringContaining('text/plain') },
    body: raw.toString('base64'),
  });
  expect(parts.get('b')).toMatchObject({ status: 200, body: { id: expect.any(String) } });
  expect(errorIn(parts.get('c'))).toEqual([404, 'ErrorItemNotFound']);
  expect(ids).not.toEqual(['a', 'b', 'c']);
  expect(simulator.violations).toEqual([]);
  expect(simulator.requests.filter(({ path: asked }) => asked === '/v1.0/$batch')).toHaveLength(1);
});

it('does what depends on another after it, and not where that failed', async () => {
  const path = deliver('Subject: x\r\n\r\n');
  const { parts } = await batch([
    get('1', `${path}/$value`),
    get('2', `${BOX}/messages/none`, { dependsOn: ['1'] }),
    get('3', `${path}/$value`, { dependsOn: ['2'] }),
    get('4', `${path}/$value`),
  ]);
  const statuses = ['1', '2', '3', '4'].map((id) => parts.get(id)?.status);
  expect(statuses).toEqual([200, 404, 424, 200]);
  expect(errorIn(parts.get('3'))).toEqual([424, 'FailedDependency']);
});

it('does four at once where nothing is said of their order, and one where each waits for another', async () => {
  const path = deliver('Subject: x\r\n\r\n');
  Object.assign(simulator.batching.pace, { parts: 2, ms: 30 });
  const ids = Array.from({ length: 8 }, (_, n) => String(n));
  const box = simulator.mailbox(ADDRESS);
  await batch(
    ids.map((id, n) => get(id, `${path}/$value`, n > 0 ? { dependsOn: [ids[n - 1]] } : {})),
  );
  expect(box.mostRunning).toBe(1);
  await batch(ids.map((id) => get(id, `${path}/$value`)));
  expect(box.mostRunning).toBeGreaterThan(1);
  expect(box.mostRunning).toBeLessThanOrEqual(4);
});

it.each<[string, object[]]>([
  ['more than twenty', Array.from({ length: 21 }, (_, n) => get(String(n), `${BOX}/messages`))],
  ['the same id twice, however it is written', [get('a', '/users'), get('A', '/users')]],
  ['none', []],
  ['an address with a host', [get('a', 'https://graph.microsoft.com/v1.0/users')]],
  ['what depends on what isn’t there', [get('a', '/users', { dependsOn: ['b'] })]],
  ['a body without its type', [{ id: 'a', method: 'POST', url: '/chats', body: {} }]],
])('refuses %s', async (_what, requests) => {
  expect(await batch(requests)).toMatchObject({ status: 400, ids: [] });
});

const isDescribed = graphDescription() !== null;
(isDescribed ? it : it.skip)('holds each part against Microsoft’s description', async () => {
  expect((await batch([get('a', `${BOX}/messages?pageSize=2`)])).status).toBe(400);
  expect(simulator.violations).toMatchObject([
    { path: '/v1.0/$batch', reason: expect.stringContaining('pageSize') },
  ]);
});

it('lets parts fail as they are told to, and nobody in without a token', async () => {
  const path = deliver('Subject: x\r\n\r\n');
  const { faults } = simulator.batched;
  faults.failNext({ kind: 'too_many', retryAfterSeconds: 7 });
  faults.failNext({ kind: 'reset' });
  const parts = ['1', '2', '3'].map((id) => get(id, `${path}/$value`));
  const answered = [...(await batch(parts)).parts.values()];
  expect(new Set(answered.map(({ status }) => status))).toEqual(new Set([200, 429, 504]));
  expect(answered.find(({ status }) => status === 429)!.headers).toMatchObject({
    'Retry-After': '7',
  });
  expect((await batch(parts, 'Bearer x')).status).toBe(401);
  simulator.batching.isOn = false;
  expect((await batch(parts)).status).toBe(501);
});

it('tells how large a mail is, but not in a delta query', async () => {
  const path = deliver('Subject: x\r\n\r\n12345');
  const size = `$expand=${encodeURIComponent("singleValueExtendedProperties($filter=id eq 'Integer 0x0E08')")}`;
  const { parts } = await batch([
    get('1', `${path}?$select=id&${size}`),
    get('2', `${BOX}/mailFolders/inbox/messages/delta?${size}`),
  ]);
  expect(parts.get('1')!.body).toMatchObject({
    singleValueExtendedProperties: [{ id: 'Integer 0xe08', value: '19' }],
  });
  expect(parts.get('2')!.status).toBe(500);
  expect(simulator.violations).toEqual([]);
});
