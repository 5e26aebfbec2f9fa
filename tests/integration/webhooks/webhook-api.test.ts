import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { loadDelivery, recordAttempt } from '../../../db/queries/deliveries.ts';
import { writeEvents } from '../../../db/queries/events.ts';
import { Pending } from '../../../db/queries/outbox.ts';
import type { EventType } from '../../../domain/events.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';

const ENDPOINTS = '/v1/webhook-endpoints';

let api: TestApi;
let acme: Client;
let other: Client;
beforeAll(async () => {
  api = await startTestApi();
  acme = await api.client('acme');
  other = await api.client('other');
});
afterAll(() => api.close());
beforeEach(() => void api.relay.flushed.splice(0));

async function make(given: Record<string, unknown> = {}) {
  const body = { url: 'http://127.0.0.1:8099/hook', events: ['ticket.created'], ...given };
  const { status, body: endpoint } = await acme.call('POST', ENDPOINTS, body);
  expect(status).toBe(201);
  return endpoint;
}

/** Events with deliveries, each attempted once with this outcome, or not yet. */
async function raise(type: EventType, outcome: 'delivered' | 'failed' | 'pending', times = 1) {
  const pending = new Pending(acme.tenantId);
  await inTenant(api.db, acme.tenantId, (tx) =>
    writeEvents(
      tx,
      pending,
      Array.from({ length: times }, () => ({ type, ticketId: null, sequence: null, data: {} })),
    ),
  );
  if (outcome !== 'pending')
    for (const { deliveryId } of pending.deliveries) await attempt(deliveryId, outcome);
  return pending.deliveries;
}

async function attempt(deliveryId: string, outcome: 'delivered' | 'failed') {
  const loaded = await loadDelivery(api.db, api.keys, acme.tenantId, deliveryId);
  await recordAttempt(api.db, acme.tenantId, loaded!, {
    at: new Date(),
    delivered: outcome === 'delivered',
    final: true,
    statusCode: outcome === 'delivered' ? 200 : 500,
    durationMs: 12.3,
    error: outcome === 'delivered' ? null : 'The endpoint answered 500.',
    responseStart: 'ok',
    nextAttemptAt: new Date(),
  });
}

describe('webhook endpoints', () => {
  it('are made with the defaults, and show a secret of ours once', async () => {
    const { secret, ...endpoint } = await make();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(endpoint).toMatchObject({
      id: expect.stringMatching(/^whe_/),
      timeout_seconds: 30,
      max_retries: 3,
      verify_ssl: true,
      is_active: true,
      delivery_mode: 'auto',
      description: '',
      headers: {},
    });
    expect((await acme.call('GET', `${ENDPOINTS}/${endpoint.id}`)).body).toEqual({
      ...endpoint,
      gear: 'workflow',
      waiting: 0,
      paused_until: null,
    });
    expect((await acme.call('GET', ENDPOINTS)).text).not.toContain(secret);
  });

  it('take a secret of one’s own and sign with it; neither it nor headers lie open in the database', async () => {
    const endpoint = await make({
      secret: 'sixteen-letters!',
      events: ['*'],
      headers: { Authorization: 'Bearer topsecret', 'X-Env': 'live' },
    });
    expect(endpoint.secret).toBe('sixteen-letters!');
    expect(endpoint.headers).toEqual({ Authorization: '[sealed]', 'X-Env': 'live' });
    const [item] = await raise('ticket.closed', 'pending');
    const loaded = await loadDelivery(api.db, api.keys, acme.tenantId, item!.deliveryId);
    expect(loaded!.endpoint).toMatchObject({
      secret: 'sixteen-letters!',
      headers: { Authorization: 'Bearer topsecret', 'X-Env': 'live' },
    });
    const row = await inTenant(api.db, acme.tenantId, (tx) =>
      tx
        .selectFrom('webhook_endpoints')
        .select(['secret', 'headers'])
        .where('id', '=', endpoint.id)
        .executeTakeFirstOrThrow(),
    );
    expect(row.secret.toString('latin1')).not.toContain('sixteen');
    expect(row.headers!.toString('latin1')).not.toContain('topsecret');
    await acme.call('DELETE', `${ENDPOINTS}/${endpoint.id}`);
  });

  it.each([
    ['http://10.0.0.1/hook', 'POSTROOM_ALLOW_PRIVATE_TARGETS'],
    ['http://169.254.169.254/latest/meta-data', 'link-local'],
    ['http://0x7f000002/', 'loopback'],
    ['http://[::ffff:10.0.0.1]/', 'private'],
    ['ftp://127.0.0.1/', 'http and https'],
    ['https://user:pw@127.0.0.1/', 'user name or password'],
    ['nonsense', 'not a URL'],
  ])('refuse the url %s, at the change too', async (url, words) => {
    const expected = { pointer: '/url', message: expect.stringContaining(words) };
    const made = await acme.call('POST', ENDPOINTS, { url, events: ['*'] });
    expect(made).toMatchObject({ status: 422, body: { errors: [expected] } });
    const { id } = await make();
    const changed = await acme.call('PATCH', `${ENDPOINTS}/${id}`, { url });
    expect(changed).toMatchObject({ status: 422, body: { errors: [expected] } });
  });

  it.each([
    [{ events: ['ticket.exploded'] }, '/events/0'],
    [{ events: [] }, '/events'],
    [{ events: ['ping'] }, '/events/0'],
    [{ secret: 'too short' }, '/secret'],
    [{ headers: { Host: 'x' } }, '/headers/Host'],
    [{ headers: { 'webhook-id': 'x' } }, '/headers/webhook-id'],
    [{ headers: { 'X-A': 'a\r\nX-B: b' } }, '/headers/X-A'],
    [{ timeout_seconds: 61 }, '/timeout_seconds'],
    [{ max_retries: -1 }, '/max_retries'],
    [{ colour: 'red' }, '/colour'],
  ])('refuse %j', async (given, pointer) => {
    const body = { url: 'http://127.0.0.1:8099/', events: ['*'], ...given };
    const answer = await acme.call('POST', ENDPOINTS, body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].pointer).toBe(pointer);
  });

  it('can be changed field by field; a sealed header is kept', async () => {
    const { id } = await make({ headers: { Authorization: 'Bearer a', 'X-Old': '1' } });
    const change = {
      max_retries: 7,
      is_active: false,
      headers: { Authorization: '[sealed]', 'X-New': '2' },
    };
    const { status, body } = await acme.call('PATCH', `${ENDPOINTS}/${id}`, change);
    expect(status).toBe(200);
    expect(body).toMatchObject({ max_retries: 7, is_active: false, events: ['ticket.created'] });
    expect(body.headers).toEqual({ Authorization: '[sealed]', 'X-New': '2' });
    expect((await acme.call('PATCH', `${ENDPOINTS}/${id}`, {})).body).toEqual(body);
  });

  it('are gone after DELETE, and never another tenant’s to see', async () => {
    const { id } = await make();
    const foreign = await Promise.all([
      other.call('GET', `${ENDPOINTS}/${id}`),
      other.call('PATCH', `${ENDPOINTS}/${id}`, { is_active: false }),
      other.call('DELETE', `${ENDPOINTS}/${id}`),
      other.call('POST', `${ENDPOINTS}/${id}/test`),
      other.call('POST', `${ENDPOINTS}/${id}/replay`, {}),
      other.call('GET', `${ENDPOINTS}/${id}/deliveries`),
    ]);
    expect(foreign.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404, 404]);
    expect((await acme.call('DELETE', `${ENDPOINTS}/${id}`)).status).toBe(204);
    expect((await acme.call('GET', `${ENDPOINTS}/${id}`)).status).toBe(404);
    expect((await acme.call('DELETE', `${ENDPOINTS}/${id}`)).status).toBe(404);
  });

  it('page newest first', async () => {
    const made = [(await make()).id, (await make()).id, (await make()).id];
    const first = await acme.call('GET', `${ENDPOINTS}?limit=2`);
    expect(first.body.data.map((row: { id: string }) => row.id)).toEqual([made[2], made[1]]);
    const next = await acme.call('GET', `${ENDPOINTS}?limit=1&cursor=${first.body.next_cursor}`);
    expect(next.body.data[0].id).toBe(made[0]);
  });
});

describe('deliveries', () => {
  let id: string;
  beforeEach(async () => {
    for (const { id: old } of (await acme.call('GET', `${ENDPOINTS}?limit=200`)).body.data)
      await acme.call('DELETE', `${ENDPOINTS}/${old}`);
    ({ id } = await make({ events: ['*'], max_retries: 2, delivery_mode: 'workflow' }));
  });
  const flushed = () => api.relay.flushed.flatMap((work) => work.deliveries);

  it('show their attempts and the way to their workflow', async () => {
    const [item] = await raise('ticket.closed', 'failed');
    const { body } = await acme.call('GET', `/v1/deliveries/${item!.deliveryId}`);
    expect(body).toMatchObject({
      id: item!.deliveryId,
      event_id: item!.eventId,
      endpoint_id: id,
      type: 'ticket.closed',
      status: 'failed',
      next_attempt_at: null,
      attempts: [{ status_code: 500, duration_ms: 12, response_start: 'ok' }],
    });
    expect(decodeURIComponent(body.workflow_url)).toContain(
      `delivery/${acme.tenantId}/${item!.eventId}/${id}`,
    );
    expect((await other.call('GET', `/v1/deliveries/${item!.deliveryId}`)).status).toBe(404);
  });

  it('are listed by state and type', async () => {
    await raise('ticket.closed', 'failed');
    await raise('ticket.created', 'delivered', 2);
    const list = async (query: string) =>
      (await acme.call('GET', `${ENDPOINTS}/${id}/deliveries${query}`)).body.data.length;
    expect(await list('')).toBe(3);
    expect(await list('?status=failed')).toBe(1);
    expect(await list('?status=failed,delivered&type=ticket.created')).toBe(2);
    expect(await list('?limit=1')).toBe(1);
  });

  it('of a ping go to that endpoint alone, even while it is switched off', async () => {
    await make({ events: ['*'] });
    await acme.call('PATCH', `${ENDPOINTS}/${id}`, { is_active: false });
    const { status, body } = await acme.call('POST', `${ENDPOINTS}/${id}/test`);
    expect(status).toBe(202);
    expect(body).toMatchObject({ type: 'ping', endpoint_id: id, status: 'pending', attempts: [] });
    expect(flushed()).toEqual([
      { deliveryId: body.id, eventId: body.event_id, endpointId: id, type: 'ping', run: 1 },
    ]);
    const loaded = await loadDelivery(api.db, api.keys, acme.tenantId, body.id);
    expect(loaded!.event).toMatchObject({ type: 'ping', ticket_id: null, sequence: null });
  });

  it('are replayed one by one with a fresh budget, but not while pending', async () => {
    const [item] = await raise('ticket.closed', 'failed');
    const path = `/v1/deliveries/${item!.deliveryId}/replay`;
    expect((await other.call('POST', path)).status).toBe(404);
    const { status, body } = await acme.call('POST', path);
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: 'pending', attempts: [{ status_code: 500 }] });
    expect(flushed()).toEqual([{ ...item, run: 2 }]);
    const loaded = await loadDelivery(api.db, api.keys, acme.tenantId, item!.deliveryId);
    expect(loaded).toMatchObject({ run: 2, attempts: 0, budget: 3, status: 'pending' });
    const again = await acme.call('POST', path);
    expect(again.status).toBe(409);
    expect(again.body.type).toBe('urn:postroom:problem:still_pending');
  });

  it('are replayed by range, filtered; those beyond the first hundred are left to the drain', async () => {
    await raise('ticket.closed', 'failed', 120);
    await raise('ticket.closed', 'delivered', 2);
    await raise('ticket.created', 'failed', 3);
    const between = new Date().toISOString();
    await raise('ticket.closed', 'failed', 4);
    const replay = async (filter: object) =>
      (await acme.call('POST', `${ENDPOINTS}/${id}/replay`, filter)).body;
    const failed = { status: 'failed', types: ['ticket.closed'] };
    expect(await replay({ ...failed, since: between })).toEqual({
      replayed: 4,
      started: 4,
      queued: 0,
    });
    api.relay.flushed.splice(0);
    expect(await replay({ ...failed, until: between })).toEqual({
      replayed: 120,
      started: 100,
      queued: 20,
    });
    expect(flushed()).toHaveLength(100);
    expect(await replay({ types: ['ticket.created'] })).toMatchObject({ replayed: 3 });
    expect((await acme.call('POST', `${ENDPOINTS}/${id}/replay`)).body).toMatchObject({
      replayed: 2,
    });
    expect(await replay({})).toMatchObject({ replayed: 0 });
  });

  it('are not replayed to an endpoint that is off or gone', async () => {
    const [item] = await raise('ticket.closed', 'failed');
    const codes = async () => [
      (await acme.call('POST', `/v1/deliveries/${item!.deliveryId}/replay`)).status,
      (await acme.call('POST', `${ENDPOINTS}/${id}/replay`, {})).status,
    ];
    await acme.call('PATCH', `${ENDPOINTS}/${id}`, { is_active: false });
    expect(await codes()).toEqual([409, 409]);
    await acme.call('DELETE', `${ENDPOINTS}/${id}`);
    expect(await codes()).toEqual([409, 404]);
  });

  it('count each attempt once, though two are recorded at the same time', async () => {
    const [item] = await raise('ticket.closed', 'pending');
    const loaded = (await loadDelivery(api.db, api.keys, acme.tenantId, item!.deliveryId))!;
    const record = (delivered: boolean) =>
      recordAttempt(api.db, acme.tenantId, loaded, {
        at: new Date(),
        delivered,
        final: false,
        statusCode: delivered ? 200 : 500,
        durationMs: 1,
        error: null,
        responseStart: null,
        nextAttemptAt: new Date(Date.now() + 1000),
      });
    const recorded = await Promise.all([record(false), record(true), record(false), record(false)]);
    expect(recorded.map((each) => each!.attempt).sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    const { body } = await acme.call('GET', `/v1/deliveries/${item!.deliveryId}`);
    expect(body.status).toBe('delivered');
    expect(body.attempts).toHaveLength(4);
  });
});
