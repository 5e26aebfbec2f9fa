import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { inTenant } from '../../../db/connection.ts';
import { deleteEndpoint } from '../../../db/queries/endpoints.ts';
import { Pending } from '../../../db/queries/outbox.ts';
import { replayRange } from '../../../db/queries/replay.ts';
import { webhookDeliveryWorkflowId } from '../../../workflows/contracts/webhook-delivery.ts';
import { webhookDispatcherWorkflowId } from '../../../workflows/contracts/webhook-dispatcher.ts';
import { freePort } from '../../../embedded/ports.ts';
import { eventually, httpSink, type HttpSink } from '../../harness/index.ts';
import { startDispatching, type Dispatching } from './dispatcher-fixture.ts';

let product: Dispatching;
const sinks: HttpSink[] = [];
const endpoints: string[] = [];

beforeAll(async () => {
  product = await startDispatching();
  await product.work();
});
afterAll(() => product.close());
afterEach(async () => {
  for (const id of endpoints.splice(0)) await deleteEndpoint(product.deps.db, product.tenantId, id);
  for (const sink of sinks.splice(0)) await sink.close();
});

async function receiver(given: Partial<Parameters<Dispatching['makeEndpoint']>[0]> = {}) {
  const sink = await httpSink();
  sinks.push(sink);
  const endpoint = await product.makeEndpoint({ url: `${sink.url}/hook`, ...given });
  endpoints.push(endpoint.id);
  return { sink, id: endpoint.id };
}

const idsAt = (sink: HttpSink) =>
  sink.requests.map((request) => String(request.headers['webhook-id']));

/** Of the deliveries of one endpoint, those that have a workflow. */
async function workflowsOf(endpointId: string): Promise<number> {
  const { rows } = await inTenant(product.deps.db, product.tenantId, (tx) =>
    sql<{
      event_id: string;
    }>`select event_id from deliveries where endpoint_id = ${endpointId}`.execute(tx),
  );
  let found = 0;
  for (const { event_id: eventId } of rows) {
    const id = webhookDeliveryWorkflowId({ tenantId: product.tenantId, eventId, endpointId });
    const described = await product.deps.client.workflow
      .getHandle(id)
      .describe()
      .catch(() => null);
    if (described) found += 1;
  }
  return found;
}

describe('the dispatcher', () => {
  it('delivers a burst to one endpoint, each event exactly once, without a workflow for each', async () => {
    const { sink, id } = await receiver();
    for (let batch = 0; batch < 10; batch += 1) await product.raise(100);
    await sink.waitFor(1000, 90_000);
    await eventually(async () =>
      expect(await product.tally(id)).toEqual({ delivered: { deliveries: 1000, attempts: 1000 } }),
    );
    expect(new Set(idsAt(sink)).size).toBe(1000);
    expect(sink.requests).toHaveLength(1000);
    expect(await workflowsOf(id)).toBe(0);
  });

  it('shows the gear: a burst shifts an auto endpoint to the stream, calm brings it back', async () => {
    const { sink, id } = await receiver();
    expect(await product.load(id)).toEqual({ gear: 'workflow', waiting: 0, paused_until: null });
    await product.raise(1);
    await sink.waitFor(1);
    expect(await workflowsOf(id)).toBe(1);
    await product.raise(200);
    await eventually(async () => expect(await product.load(id)).toMatchObject({ gear: 'stream' }));
    await sink.waitFor(201);
    await eventually(
      async () => expect(await product.load(id)).toMatchObject({ gear: 'workflow', waiting: 0 }),
      90_000,
    );
    await product.raise(1);
    await sink.waitFor(202);
    expect(await workflowsOf(id)).toBe(2);
  }, 240_000);

  it('shifts too when many transactions come at once with one event each', async () => {
    const { sink, id } = await receiver();
    sink.answerWith({ delayMs: 200 }); // so that workflows keep their places a while
    await Promise.all(Array.from({ length: 300 }, () => product.raise(1)));
    await sink.waitFor(300, 90_000);
    const { gear } = (await product.load(id))!;
    await eventually(async () =>
      expect(await product.tally(id)).toMatchObject({ delivered: { deliveries: 300 } }),
    );
    expect(new Set(idsAt(sink)).size).toBe(300);
    // Calm, which takes ten seconds, would bring it back.
    expect(gear).toBe('stream');
    expect(await workflowsOf(id)).toBeLessThan(300);
  });

  it('keeps to the gear that an endpoint is pinned to', async () => {
    const stream = await receiver({ delivery_mode: 'stream' });
    const workflow = await receiver({ delivery_mode: 'workflow' });
    await product.raise(1);
    await Promise.all([stream.sink.waitFor(1), workflow.sink.waitFor(1)]);
    expect(await workflowsOf(stream.id)).toBe(0);
    expect(await workflowsOf(workflow.id)).toBe(1);
    await product.raise(80);
    await Promise.all([stream.sink.waitFor(81, 90_000), workflow.sink.waitFor(81, 90_000)]);
    expect(await workflowsOf(stream.id)).toBe(0);
    expect(await workflowsOf(workflow.id)).toBe(81);
    expect(await product.load(stream.id)).toMatchObject({ gear: 'stream' });
    expect(await product.load(workflow.id)).toMatchObject({ gear: 'workflow' });
  }, 240_000);

  it('gives what fails a workflow of its own, which goes on under the retry policy', async () => {
    const { sink, id } = await receiver({ delivery_mode: 'stream', max_retries: 2 });
    sink.answerWith((request) =>
      JSON.parse(request.body.toString()).data.number === 7 ? { status: 500 } : {},
    );
    await product.raise(20);
    await eventually(
      async () =>
        expect(await product.tally(id)).toEqual({
          delivered: { deliveries: 19, attempts: 19 },
          failed: { deliveries: 1, attempts: 3 },
        }),
      90_000,
    );
    expect(await workflowsOf(id)).toBe(1);
    expect(new Set(idsAt(sink)).size).toBe(20);
    expect(sink.requests).toHaveLength(22);
  }, 240_000);

  it('replays a range by the stream, under the same ids', async () => {
    const { sink, id } = await receiver();
    await product.raise(150);
    await sink.waitFor(150, 90_000);
    await eventually(async () =>
      expect(await product.tally(id)).toEqual({ delivered: { deliveries: 150, attempts: 150 } }),
    );
    const before = new Set(idsAt(sink));
    const pending = new Pending(product.tenantId);
    expect(await replayRange(product.deps.db, pending, { endpointId: id }, 100)).toBe(150);
    await product.deps.relay.flush(pending);
    await sink.waitFor(300, 90_000);
    expect(new Set(idsAt(sink))).toEqual(before);
    await eventually(async () =>
      expect(await product.tally(id)).toEqual({ delivered: { deliveries: 150, attempts: 300 } }),
    );
    expect(await workflowsOf(id)).toBe(0);
  });

  it('writes no history while it works or waits', async () => {
    const id = webhookDispatcherWorkflowId(0);
    const handle = product.deps.client.workflow.getHandle(id);
    const { events } = await handle.fetchHistory();
    // Started, task scheduled, started, completed, activity scheduled: started is written when a turn ends.
    expect(events!.length).toBeLessThanOrEqual(6);
    const { raw } = await handle.describe();
    expect(raw.pendingActivities).toHaveLength(1);
  });
});

describe('one endpoint', () => {
  it('that is dead holds back no other, and is paused with its attempts unspent', async () => {
    const healthy = await receiver({ delivery_mode: 'stream' });
    const dead = await receiver({
      delivery_mode: 'stream',
      url: `http://127.0.0.1:${await freePort()}/hook`,
    });
    const alone = await receiver({ delivery_mode: 'stream' });
    alone.sink.answerWith({ status: 503 });
    for (let batch = 0; batch < 5; batch += 1) await product.raise(100);
    await healthy.sink.waitFor(500, 90_000);
    await eventually(async () =>
      expect(await product.tally(healthy.id)).toEqual({
        delivered: { deliveries: 500, attempts: 500 },
      }),
    );
    await eventually(async () => {
      const load = await product.load(alone.id);
      expect(load!.paused_until).not.toBeNull();
      expect(load!.waiting).toBeGreaterThan(400);
    });
    expect((await product.load(dead.id))!.waiting).toBeGreaterThan(400);
    // Those that were under way when it went down, and one try a pause.
    expect(await workflowsOf(alone.id)).toBeLessThan(60);

    alone.sink.answerWith({});
    await eventually(
      async () =>
        expect((await product.tally(alone.id)).delivered?.deliveries ?? 0).toBeGreaterThan(440),
      60_000,
    );
    expect(await product.load(alone.id)).toMatchObject({ paused_until: null });
  }, 240_000);

  it('that is slow holds back no other', async () => {
    const slow = await receiver({ delivery_mode: 'stream' });
    slow.sink.answerWith({ delayMs: 3_000 });
    const raised = Date.now();
    const quick = await receiver({ delivery_mode: 'stream' });
    await product.raise(300);
    await quick.sink.waitFor(300, 90_000);
    const took: number[] = [];
    for (let event = 0; event < 20; event += 1) {
      const began = Date.now();
      const seen = quick.sink.requests.length;
      await product.raise(1);
      await quick.sink.waitFor(seen + 1);
      took.push(quick.sink.requests.at(-1)!.at.getTime() - began);
      await sleep(20);
    }
    took.sort((a, b) => a - b);
    expect(took[18]!).toBeLessThan(2_500);
    // As wide as one endpoint is served.
    const rounds = Math.ceil((Date.now() - raised) / 3_000);
    expect(slow.sink.requests.length).toBeLessThanOrEqual(32 * (rounds + 1));
  }, 240_000);
});
