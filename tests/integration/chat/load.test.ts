import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { callsOf, play, shuffled } from '../../../benchmarks/chat-load.ts';
import { chatScene, outcome, type ChatScene } from '../../../benchmarks/chat-scene.ts';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import { startProduct, type Product } from '../providers/faults/product.ts';

// The benchmark `chat` in short, without its clock: whatever order Meta's calls come in and however often, all tenants
// have every message of theirs once, and every answer its last state.

const CALLS = 250;
const ANSWERS = 24;
const PER_SECOND = 50;
jest.setTimeout(300_000);

let product: Product;
let meta: MetaSimulator;
let scene: ChatScene;
beforeAll(async () => {
  [product, meta] = await Promise.all([startProduct(), metaSimulator()]);
  scene = await chatScene({
    meta,
    doorUrl: `${product.url}/ingress/meta`,
    db: product.db,
    tenants: await Promise.all(['one', 'two'].map((name) => product.tenant(name))),
    answers: ANSWERS,
  });
});
afterAll(async () => {
  await meta.close();
  await product.stop();
});

test('calls come shuffled, a fifth of them twice, for two tenants at one door', async () => {
  const deck = await callsOf(scene, CALLS);
  expect(deck).toHaveLength(CALLS);
  expect(new Set(deck).size).toBe(CALLS * 0.8);
  const { accepted, ms } = await play(shuffled(deck), PER_SECOND);
  expect([accepted, ms.length]).toEqual([CALLS, CALLS]);
  await scene.settled();
  const { tickets, conversations, ...wrong } = await outcome(scene);
  expect(wrong).toEqual({ missing: 0, doubled: 0, strange: 0, wrongStates: 0 });
  expect(tickets).toBe(conversations);
  expect(scene.answers()).toBe(ANSWERS);
  expect(meta.violations).toEqual([]);
});
