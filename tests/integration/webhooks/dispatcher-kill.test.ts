import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually, httpSink, type HttpSink } from '../../harness/index.ts';
import { startDispatching, type Dispatching } from './dispatcher-fixture.ts';

let product: Dispatching;
let sink: HttpSink;
beforeAll(async () => {
  product = await startDispatching();
  sink = await httpSink();
});
afterAll(async () => {
  await product.close();
  await sink.close();
});

test('a dispatcher killed in mid-burst, twice, loses nothing; what comes twice comes under one id', async () => {
  sink.answerWith({ delayMs: 20 });
  const { id } = await product.makeEndpoint({ url: `${sink.url}/hook`, delivery_mode: 'stream' });
  const events = 2_000;
  const first = await product.workApart();
  for (let batch = 0; batch < events / 100; batch += 1) await product.raise(100);

  await sink.waitFor(200, 60_000);
  first.kill('SIGKILL');
  await once(first, 'exit');
  const atFirstKill = sink.requests.length;
  expect(atFirstKill).toBeLessThan(events);

  const second = await product.workApart();
  await sink.waitFor(atFirstKill + 200, 90_000);
  second.kill('SIGKILL');
  await once(second, 'exit');
  expect(sink.requests.length).toBeLessThan(events);

  await product.workApart();
  await eventually(async () => {
    expect(await product.tally(id)).toEqual({
      delivered: { deliveries: events, attempts: events },
    });
  }, 150_000);
  const ids = sink.requests.map((request) => request.headers['webhook-id']);
  expect(new Set(ids).size).toBe(events);
  // Twice at most what was taken and under way at the two kills, and not yet written down.
  expect(ids.length - events).toBeLessThanOrEqual(2 * 500);
}, 300_000);

test('a process that is told to stop leaves no row leased and posts nothing twice', async () => {
  await product.close();
  product = await startDispatching();
  sink.requests.splice(0);
  const { id } = await product.makeEndpoint({ url: `${sink.url}/hook`, delivery_mode: 'stream' });
  const first = await product.workApart();
  for (let batch = 0; batch < 10; batch += 1) await product.raise(100);
  await sink.waitFor(100, 60_000);
  first.kill('SIGTERM');
  await once(first, 'exit');
  await sleep(100);
  await product.workApart();
  await eventually(async () => {
    expect(await product.tally(id)).toEqual({ delivered: { deliveries: 1000, attempts: 1000 } });
  }, 150_000);
  expect(sink.requests).toHaveLength(1000);
}, 180_000);
