import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { DeliveryGate } from './delivery-gate.ts';

async function filled(): Promise<DeliveryGate> {
  const gate = new DeliveryGate();
  for (let place = 0; place < 25; place += 1) await gate.enter(`dlv_${place}`, 'whe_first');
  return gate;
}

test('the 26th waits until one of the others has ended, and is counted for its endpoint', async () => {
  const gate = await filled();
  const entered: string[] = [];
  const waiting = ['a', 'b'].map((id) =>
    gate.enter(id, 'whe_second').then(() => void entered.push(id)),
  );
  await sleep(10);
  expect(entered).toEqual([]);
  expect(gate.waitingFor('whe_second')).toBe(2);
  gate.leave('dlv_3');
  await waiting[0];
  expect(entered).toEqual(['a']);
  expect(gate.waitingFor('whe_second')).toBe(1);
  gate.leave('dlv_3'); // again: without effect
  await sleep(10);
  expect(entered).toEqual(['a']);
  gate.leave('a');
  await Promise.all(waiting);
  expect(gate.waitingFor('whe_second')).toBe(0);
});

test('one that is being posted to a slow endpoint gives its place up after a quarter of a second', async () => {
  const gate = await filled();
  const began = performance.now();
  gate.begun('dlv_0');
  await gate.enter('next', 'whe_second');
  expect(performance.now() - began).toBeGreaterThan(200);
  expect(performance.now() - began).toBeLessThan(20_000);
});
