import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { Webhook } from 'standardwebhooks';
import { claimDeliveries } from '../../../db/queries/deliveries.ts';
import { deleteEndpoint, updateEndpoint } from '../../../db/queries/endpoints.ts';
import { Pending } from '../../../db/queries/outbox.ts';
import { replayDelivery } from '../../../db/queries/replay.ts';
import {
  REPLAY_SIGNAL,
  webhookDeliveryWorkflowType,
} from '../../../workflows/contracts/webhook-delivery.ts';
import { httpSink, type HttpSink } from '../../harness/index.ts';
import { startWebhooks, type Webhooks } from './fixture.ts';

let webhooks: Webhooks;
let sink: HttpSink;
beforeAll(async () => {
  webhooks = await startWebhooks();
});
afterAll(() => webhooks.close());
afterEach(async () => {
  await sink?.close();
});

type Given = Partial<Parameters<Webhooks['makeEndpoint']>[0]>;

/** An endpoint at a new sink and one event for it, handed to Temporal; older endpoints are gone. */
async function deliver(given: Given = {}, prepare: (sink: HttpSink) => void = () => undefined) {
  const { endpoint, item } = await prepared(given, prepare);
  await webhooks.relay.flush(item.work, { whole: true });
  return { endpoint, item: item.delivery };
}

let former: string | undefined;

async function prepared(given: Given, prepare: (sink: HttpSink) => void) {
  if (former) await deleteEndpoint(webhooks.db, webhooks.tenantId, former);
  sink = await httpSink();
  prepare(sink);
  const endpoint = await webhooks.makeEndpoint({ url: `${sink.url}/hook`, ...given });
  former = endpoint.id;
  const work = await webhooks.raise({ note: 'Zoë' });
  expect(work.deliveries).toHaveLength(1);
  return { endpoint, item: { work, delivery: work.deliveries[0]! } };
}

describe('a webhook delivery', () => {
  it('arrives once, signed, in at most seven history events', async () => {
    const { item } = await deliver({ headers: { 'X-Env': 'test' } });
    const { outcome, events } = await webhooks.workflowOf(item);
    expect(outcome).toBe('completed');
    expect(events).toBeLessThanOrEqual(7);

    const [request] = sink.requests;
    expect(sink.requests).toHaveLength(1);
    expect(request).toMatchObject({ method: 'POST', path: '/hook' });
    expect(request!.headers).toMatchObject({
      'x-env': 'test',
      'content-type': 'application/json',
      'webhook-id': item.eventId,
    });
    const body = request!.body.toString();
    const headers = request!.headers as Record<string, string>;
    const event = new Webhook('a secret for the tests', { format: 'raw' }).verify(body, headers);
    expect(event).toMatchObject({
      id: item.eventId,
      type: 'channel.recovered',
      data: { note: 'Zoë' },
    });

    const delivery = await webhooks.delivery(item.deliveryId);
    expect(delivery).toMatchObject({ status: 'delivered', next_attempt_at: null });
    expect(delivery.attempts).toEqual([
      expect.objectContaining({ status_code: 200, error: null, response_start: '' }),
    ]);
  });

  it('is tried again after errors, with the same id and body, in at most 13 events', async () => {
    const { item } = await deliver({ max_retries: 5 }, (s) =>
      s.answerNext(
        { status: 500, body: 'x'.repeat(1023) + 'é and more' },
        { status: 404 },
        { fault: 'drop' },
        { status: 302, headers: { location: 'http://127.0.0.1/else' } },
      ),
    );
    const { outcome, events } = await webhooks.workflowOf(item);
    expect(outcome).toBe('completed');
    expect(events).toBeLessThanOrEqual(13);
    const { status, attempts } = await webhooks.delivery(item.deliveryId);
    expect(status).toBe('delivered');
    expect(attempts.map((attempt) => attempt.status_code)).toEqual([500, 404, null, 302, 200]);
    expect(attempts[0]!.response_start).toBe('x'.repeat(1023));
    expect(attempts[2]!.error).toContain('broke the connection off');
    expect(attempts[3]!.error).toContain('Redirects are not followed');
    expect(new Set(sink.requests.map((r) => r.body.toString())).size).toBe(1);
    expect(new Set(sink.requests.map((r) => r.headers['webhook-id']))).toEqual(
      new Set([item.eventId]),
    );
  });

  it('is given up when its budget is spent, and its workflow ends as Failed', async () => {
    const { item } = await deliver({ max_retries: 3 }, (s) => s.answerWith({ status: 503 }));
    const { outcome, events, handle } = await webhooks.workflowOf(item);
    expect(outcome).toBeInstanceOf(WorkflowFailedError);
    expect(events).toBeLessThanOrEqual(13);
    expect((await handle.describe()).status.name).toBe('FAILED');
    expect(sink.requests).toHaveLength(4);
    const delivery = await webhooks.delivery(item.deliveryId);
    expect(delivery).toMatchObject({ status: 'failed', next_attempt_at: null });
    expect(delivery.attempts).toHaveLength(4);
  });

  it('waits as long as Retry-After asks, up to an hour', async () => {
    const { item } = await deliver({}, (s) =>
      s.answerNext({ status: 429, headers: { 'retry-after': '2' } }),
    );
    expect((await webhooks.workflowOf(item)).outcome).toBe('completed');
    const [first, second] = sink.requests;
    expect(second!.at.getTime() - first!.at.getTime()).toBeGreaterThanOrEqual(1_900);

    const { item: patient } = await deliver({}, (s) =>
      s.answerNext({ status: 503, headers: { 'retry-after': '86400' } }),
    );
    const { handle } = await webhooks.pendingActivityOf(patient);
    const hour = Date.now() + 3_600_000;
    const { next_attempt_at: next } = await webhooks.delivery(patient.deliveryId);
    expect(Math.abs(Date.parse(next!) - hour)).toBeLessThan(30_000);
    const [activity] = (await handle.describe()).raw.pendingActivities ?? [];
    const scheduled = Number(activity!.nextAttemptScheduleTime!.seconds) * 1000;
    expect(Math.abs(scheduled - hour)).toBeLessThan(30_000);
    await handle.terminate();
  });

  it('is cut off at its time limit', async () => {
    const { item } = await deliver({ timeout_seconds: 1, max_retries: 0 }, (s) =>
      s.answerWith({ fault: 'hang' }),
    );
    await webhooks.workflowOf(item);
    const { status, attempts } = await webhooks.delivery(item.deliveryId);
    expect(status).toBe('failed');
    expect(attempts).toEqual([
      expect.objectContaining({ status_code: null, error: expect.stringContaining('within 1 s') }),
    ]);
    expect(attempts[0]!.duration_ms).toBeLessThan(20_000);
  });

  it('to a slow endpoint is posted once, and its history does not grow while it waits', async () => {
    const { item } = await deliver({}, (s) => s.answerWith({ delayMs: 9_500 }));
    const { outcome, events } = await webhooks.workflowOf(item);
    expect(outcome).toBe('completed');
    expect(sink.requests).toHaveLength(1);
    expect(events).toBeLessThanOrEqual(13);
    const { attempts } = await webhooks.delivery(item.deliveryId);
    expect(attempts).toEqual([expect.objectContaining({ status_code: 200, error: null })]);
    expect(attempts[0]!.duration_ms).toBeGreaterThan(9_000);
  });

  it('ends at once where the receiver answers 410 Gone', async () => {
    const { item } = await deliver({ max_retries: 5 }, (s) => s.answerWith({ status: 410 }));
    expect((await webhooks.workflowOf(item)).outcome).toBeInstanceOf(WorkflowFailedError);
    expect(sink.requests).toHaveLength(1);
    expect((await webhooks.delivery(item.deliveryId)).status).toBe('failed');
  });

  it('does not reach a private target that is not permitted', async () => {
    const { item } = await deliver({ url: 'http://127.0.0.2:8099/hook', max_retries: 1 });
    expect((await webhooks.workflowOf(item)).outcome).toBeInstanceOf(WorkflowFailedError);
    const { attempts } = await webhooks.delivery(item.deliveryId);
    expect(attempts).toHaveLength(2);
    expect(attempts[0]!.error).toContain('POSTROOM_ALLOW_PRIVATE_TARGETS');
  });

  it('is not sent to an endpoint deleted or switched off in between, and says so', async () => {
    const gone = await prepared({}, () => undefined);
    await deleteEndpoint(webhooks.db, webhooks.tenantId, gone.endpoint.id);
    await webhooks.relay.flush(gone.item.work, { whole: true });
    await webhooks.workflowOf(gone.item.delivery);
    expect(await webhooks.delivery(gone.item.delivery.deliveryId)).toMatchObject({
      status: 'failed',
      attempts: [{ error: expect.stringContaining('deleted') }],
    });
    expect(sink.requests).toHaveLength(0);
    await sink.close();

    const off = await prepared({}, () => undefined);
    const change = (is_active: boolean) =>
      updateEndpoint(webhooks.db, webhooks.keys, webhooks.tenantId, off.endpoint.id, { is_active });
    await change(false);
    await webhooks.relay.flush(off.item.work, { whole: true });
    await webhooks.workflowOf(off.item.delivery);
    expect(await webhooks.delivery(off.item.delivery.deliveryId)).toMatchObject({
      status: 'failed',
      attempts: [{ error: expect.stringContaining('switched off') }],
    });
    expect(sink.requests).toHaveLength(0);

    await change(true);
    await replay(off.item.delivery.deliveryId);
    expect((await webhooks.workflowOf(off.item.delivery)).outcome).toBe('completed');
    expect(sink.requests).toHaveLength(1);
  });

  it('that was given up is replayed with a fresh budget under the same id', async () => {
    const { item } = await deliver({ max_retries: 1 }, (s) =>
      s.answerNext({ status: 500 }, { status: 500 }, { status: 500 }),
    );
    await webhooks.workflowOf(item);
    expect((await webhooks.delivery(item.deliveryId)).status).toBe('failed');
    await replay(item.deliveryId);
    const { outcome, events, handle } = await webhooks.workflowOf(item);
    expect(outcome).toBe('completed');
    expect(events).toBeLessThanOrEqual(14); // the signal is one more
    const { events: history } = await handle.fetchHistory();
    expect(history?.filter((event) => event.workflowExecutionSignaledEventAttributes)).toHaveLength(
      1,
    );
    const { status, attempts } = await webhooks.delivery(item.deliveryId);
    expect(status).toBe('delivered');
    expect(attempts.map((attempt) => attempt.status_code)).toEqual([500, 500, 500, 200]);
    expect(new Set(sink.requests.map((r) => r.headers['webhook-id']))).toEqual(
      new Set([item.eventId]),
    );
  });

  it('that is replayed while its workflow is about to end is not lost', async () => {
    // The moment after the last attempt is on record is too short to be met: these attempts are played.
    const attempts: string[] = [];
    const workflowId = 'delivery/played';
    const played = {
      deliverFirst: () => {
        attempts.push('first');
        return Promise.resolve(attempts.length > 1 ? 'delivered' : 'retry');
      },
      deliverAgain: async () => {
        attempts.push('again');
        await webhooks.client.workflow.getHandle(workflowId).signal(REPLAY_SIGNAL);
        throw ApplicationFailure.nonRetryable('the budget is spent');
      },
    };
    const worker = await webhooks.playedWorker('played', played);
    await worker.runUntil(
      webhooks.client.workflow.execute(webhookDeliveryWorkflowType, {
        workflowId,
        taskQueue: 'played',
        args: [{ tenantId: 'tnt', deliveryId: 'dlv' }],
      }),
    );
    expect(attempts).toEqual(['first', 'again', 'first']);
  });

  it('that nobody handed over is claimed by the drain, once', async () => {
    const { item } = await prepared({}, () => undefined);
    await webhooks.endLeases();
    const claimed = await claimDeliveries(webhooks.db, 100);
    const mine = claimed.flatMap((work) => work.deliveries);
    expect(mine).toContainEqual(item.delivery);
    expect(await claimDeliveries(webhooks.db, 100)).toEqual([]);
    for (const work of claimed) await webhooks.relay.flush(work, { whole: true });
    expect((await webhooks.workflowOf(item.delivery)).outcome).toBe('completed');
  });
});

describe('many deliveries at once to one endpoint that is slow and pinned', () => {
  it('hold back nobody who raises an event, and all arrive', async () => {
    if (former) await deleteEndpoint(webhooks.db, webhooks.tenantId, former);
    sink = await httpSink();
    sink.answerWith({ delayMs: 400 });
    const { id } = await webhooks.makeEndpoint({ url: sink.url, delivery_mode: 'workflow' });
    former = id;
    const works = await Promise.all(Array.from({ length: 60 }, () => webhooks.raise()));
    await Promise.all(works.map((work) => webhooks.relay.flush(work)));
    // Sixty through a gate for 25: the last of them are posted long after.
    expect(sink.requests.length).toBeLessThan(60);
    await sink.waitFor(60, 60_000);
    const ids = new Set(sink.requests.map(({ headers }) => headers['webhook-id']));
    expect(ids.size).toBe(60);
  }, 240_000);
});

describe('a worker killed in mid-POST', () => {
  it('leaves a delivery that is made again under the same id', async () => {
    await webhooks.stopWorker();
    const first = startWorkerProcess();
    await first.ready;
    const { item } = await deliver({ timeout_seconds: 60 }, (s) => s.answerNext({ fault: 'hang' }));
    await sink.waitFor(1);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const second = startWorkerProcess();
    try {
      await second.ready;
      await sink.waitFor(2, 60_000);
      const { outcome, events } = await webhooks.workflowOf(item);
      expect(outcome).toBe('completed');
      expect(events).toBeLessThanOrEqual(13);
      expect(sink.requests.map((r) => r.headers['webhook-id'])).toEqual([
        item.eventId,
        item.eventId,
      ]);
      const { attempts } = await webhooks.delivery(item.deliveryId);
      expect(attempts).toEqual([expect.objectContaining({ status_code: 200 })]);
    } finally {
      second.child.kill('SIGKILL');
    }
  }, 240_000);
});

async function replay(deliveryId: string): Promise<void> {
  const pending = new Pending(webhooks.tenantId);
  expect(await replayDelivery(webhooks.db, pending, deliveryId)).toBe('replayed');
  await webhooks.relay.flush(pending, { whole: true });
}

function startWorkerProcess() {
  const script = fileURLToPath(new URL('./worker-process.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(webhooks.place)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, ready: once(child.stdout, 'data') };
}
