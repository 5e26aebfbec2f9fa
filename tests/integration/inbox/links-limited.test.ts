import { afterEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../../config/config.ts';
import { newId } from '../../../domain/ids.ts';
import { request, startTestApi, type TestApi } from '../api-fixture.ts';
import { scene } from './scene.ts';

const PER_ADDRESS = 120;
const PER_LINK = 20;
const [ADA, BOB] = ['203.0.113.7', '203.0.113.8'];

let api: TestApi;
afterEach(() => api.close());

const open = (path: string, from: string, method = 'GET') =>
  request(api.url + path, method, undefined, { 'x-forwarded-for': from });

async function opened(path: (nth: number) => string, times: number, from: string) {
  const answers = [];
  for (let nth = 0; nth < times; nth += 1) answers.push(await open(path(nth), from));
  return answers.map(({ status }) => status);
}

/** Paths of new links. */
async function links(count: number): Promise<string[]> {
  const client = await api.client(newId('tenant'));
  const rows = scene(api.db, client.tenantId);
  const into = await rows.contact('Ada', 'ada@example.com');
  await rows.contact(null, '+4915112345678');
  const made = Array.from({ length: count }, () =>
    client.call('POST', `/v1/contacts/${into}/link-requests`, { address: '+4915112345678' }),
  );
  return (await Promise.all(made)).map(({ body }) => new URL(body.url).pathname);
}

describe('the page of a link, asked for too often', () => {
  it('says so for this link, whoever asks and however it is signed', async () => {
    api = await startTestApi({ POSTROOM_TRUSTED_PROXIES: '127.0.0.0/8' });
    const [one, other] = (await links(2)) as [string, string];
    const [id, tenant] = one.split('.');
    const forged = (nth: number) => `${id}.${tenant}.${String(nth).padStart(43, 'A')}`;
    expect(new Set(await opened(forged, PER_LINK - 1, BOB))).toEqual(new Set([404]));
    expect((await open(one, ADA)).status).toBe(200);
    const refused = await open(one, ADA);
    expect([refused.status, refused.text]).toEqual([
      429,
      expect.stringContaining('<h1>Please wait a moment</h1>'),
    ]);
    expect(refused.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await open(one, ADA, 'POST')).status).toBe(429);
    expect((await open(other, ADA)).status).toBe(200);
  });

  it('says so to this address, whatever it asks for', async () => {
    api = await startTestApi({ POSTROOM_TRUSTED_PROXIES: '127.0.0.1,::1' });
    const [link] = (await links(1)) as [string];
    const guess = (nth: number) => `/link/guess${nth}`;
    expect(new Set(await opened(guess, PER_ADDRESS, ADA))).toEqual(new Set([404]));
    expect((await open(link, ADA)).status).toBe(429);
    expect((await open(link, BOB)).status).toBe(200);
  });

  it('believes nobody who names another address, unless a proxy that is trusted', async () => {
    api = await startTestApi();
    const [link] = (await links(1)) as [string];
    for (let nth = 0; nth < PER_ADDRESS; nth += 1) await open(`/link/guess${nth}`, `10.0.0.${nth}`);
    expect((await open(link, BOB)).status).toBe(429);
    expect(() => loadConfig({ POSTROOM_TRUSTED_PROXIES: '127.0.0.1, everybody' })).toThrow(
      /POSTROOM_TRUSTED_PROXIES/,
    );
    expect(() => loadConfig({ POSTROOM_TRUSTED_PROXIES: '10.0.0.0/33' })).toThrow();
  });
});
