import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../tests/harness/eventually.ts';
import type { FaultKind, Simulator } from './contract.ts';
import { createSimulatorServer, rawBody } from './server.ts';

let simulator: Simulator;
let done: string[];

beforeEach(async () => {
  done = [];
  simulator = await createSimulatorServer({
    name: 'example',
    description: {
      source: 'example.json',
      problem: ({ query }) => (query.has('wrong') ? 'The query parameter wrong is unknown.' : null),
    },
    routes(api) {
      api.post('/mails', (request, response) => {
        done.push(rawBody(request).toString());
        response.json({ size: rawBody(request).length, body: request.body as unknown });
      });
      api.get('/mails/:id', (request, response) => void response.send(request.params.id));
    },
    controls(control) {
      control.post('/deliver', (request, response) => {
        done.push(`delivered ${rawBody(request).toString()}`);
        response.status(204).end();
      });
    },
    wording: (kind, response) => void response.json({ vendor: kind }),
  });
});
afterEach(() => simulator.close());

const post = (path: string, body: object) =>
  fetch(simulator.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5000),
  });

describe('a simulator', () => {
  it('serves the vendor’s routes, with bodies parsed by their type and kept as bytes', async () => {
    expect(await (await post('/mails', { a: 1 })).json()).toEqual({ size: 7, body: { a: 1 } });
    const form = new URLSearchParams({ a: 'ü' });
    const answer = await fetch(`${simulator.url}/mails`, { method: 'POST', body: form });
    expect(await answer.json()).toEqual({ size: 8, body: { a: 'ü' } });
    expect(done).toEqual(['{"a":1}', 'a=%C3%BC']);
  });

  it('takes a mail of 30 MB', async () => {
    const answer = await fetch(`${simulator.url}/mails`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: Buffer.alloc(30_000_000, 'x'),
    });
    expect(done[0]).toHaveLength(30_000_000);
    expect(answer.status).toBe(200);
  });

  it('answers 400 to what the description does not allow, and lists it, before the route is reached', async () => {
    const answer = await post('/mails?wrong=1', { a: 1 });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('wrong is unknown');
    expect(simulator.violations).toEqual([
      { method: 'POST', path: '/mails?wrong=1', reason: expect.stringContaining('wrong') },
    ]);
    expect(done).toEqual([]);
  });

  it('lists what was asked, its own controls aside', async () => {
    await fetch(`${simulator.url}/mails/7?x=1`);
    await fetch(`${simulator.url}/nowhere`);
    await fetch(`${simulator.url}/_control/requests`);
    expect(simulator.requests.map(({ method, path, status }) => [method, path, status])).toEqual([
      ['GET', '/mails/7?x=1', 200],
      ['GET', '/nowhere', 404],
    ]);
  });

  it('closes though a client keeps its connection and another waits for an answer', async () => {
    simulator.faults.failNext({ kind: 'hang', match: /7/ });
    const waiting = fetch(`${simulator.url}/mails/7`).catch((error: unknown) => error);
    await (await fetch(`${simulator.url}/mails/8`)).text();
    await simulator.close();
    expect(await waiting).toHaveProperty('name', 'TypeError');
    await expect(fetch(`${simulator.url}/mails/8`)).rejects.toThrow();
  });
});

describe('a fault', () => {
  it.each([
    ['too_many', 429, '7'],
    ['unavailable', 503, '7'],
    ['server_error', 500, '7'],
    ['token_expired', 401, '7'],
    ['token_revoked', 401, '7'],
  ] as const)(
    '%s is answered in the vendor’s words, before anything is done',
    async (kind, status, retryAfter) => {
      simulator.faults.failNext({ kind, retryAfterSeconds: 7 });
      const answer = await post('/mails', { a: 1 });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('retry-after')).toBe(retryAfter);
      expect(await answer.json()).toEqual({ vendor: kind });
      expect(done).toEqual([]);
      expect((await post('/mails', { a: 1 })).status).toBe(200);
    },
  );

  it.each([
    ['reset', 0],
    ['lost_answer', 1],
    ['hang', 0],
  ] as const)('%s gives no answer, with the work done %d times', async (kind, times) => {
    simulator.faults.failNext({ kind });
    await expect(post('/mails', { a: 1 })).rejects.toThrow();
    expect(done).toHaveLength(times);
    await eventually(() => expect(simulator.requests.map(({ status }) => status)).toEqual([0]));
    expect((await post('/mails', { a: 1 })).status).toBe(200);
  });

  it('hits only what it matches, as often as it was planned', async () => {
    simulator.faults.failNext({ kind: 'unavailable', match: /^POST \/mails$/ }, 2);
    expect((await fetch(`${simulator.url}/mails/7`)).status).toBe(200);
    const statuses: number[] = [];
    for (let n = 0; n < 3; n += 1) statuses.push((await post('/mails', {})).status);
    expect(statuses).toEqual([503, 503, 200]);
  });

  it('comes to the share that was asked for, the same for the same seed', async () => {
    const kinds: readonly FaultKind[] = ['unavailable', 'too_many', 'server_error'];
    const run = async () => {
      const statuses: number[] = [];
      for (let n = 0; n < 200; n += 1)
        statuses.push((await fetch(`${simulator.url}/mails/${n}`)).status);
      return statuses;
    };
    simulator.faults.failSome(0.2, kinds, 5);
    const first = await run();
    simulator.faults.failSome(0.2, kinds, 5);
    expect(await run()).toEqual(first);
    const failed = first.filter((status) => status !== 200);
    expect(failed.length).toBeGreaterThan(20);
    expect(failed.length).toBeLessThan(60);
    expect(new Set(failed)).toEqual(new Set([503, 429, 500]));
    simulator.faults.clear();
    expect(new Set(await run())).toEqual(new Set([200]));
  });
});

describe('the control endpoint', () => {
  const control = `/_control`;

  it('plans faults, ends them, and says what is wrong with a plan', async () => {
    await post(`${control}/faults`, { kind: 'unavailable', match: '^GET /mails', count: 5 });
    expect((await fetch(`${simulator.url}/mails/1`)).status).toBe(503);
    await fetch(`${simulator.url}${control}/faults`, { method: 'DELETE' });
    expect((await fetch(`${simulator.url}/mails/1`)).status).toBe(200);
    await post(`${control}/faults`, { rate: 1, kinds: ['too_many'] });
    expect((await fetch(`${simulator.url}/mails/1`)).status).toBe(429);
    for (const wrong of [{ kind: 'fire' }, { rate: 2 }, { kind: 'hang', match: '(' }, {}])
      expect((await post(`${control}/faults`, wrong)).status).toBe(400);
  });

  it('tells what was asked, and what requests are held against', async () => {
    await post('/mails?wrong=1', {});
    const told = await (await fetch(`${simulator.url}${control}`)).json();
    expect(told).toMatchObject({ held_against: 'example.json', requests: 1, violations: 1 });
  });

  it('carries the vendor’s own controls', async () => {
    expect((await post(`${control}/deliver`, { mail: 1 })).status).toBe(204);
    expect(done).toEqual(['delivered {"mail":1}']);
  });
});
