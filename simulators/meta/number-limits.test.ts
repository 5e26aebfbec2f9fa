import { beforeEach, expect, it } from '@jest/globals';
import { countSent, limitProblem } from './number-limits.ts';
import { World, type SimNumber } from './world.ts';

const HOUR_MS = 3_600_000;
const TEMPLATE = { template: { name: 'hello_world' } };
const TEXT = {};

let world: World;
let number: SimNumber;
beforeEach(() => {
  world = new World();
  number = world.number(world.account(world.app()));
});

/** @returns the code of the refusal; null where it was taken */
function send(to: string, body: object = TEXT): number | null {
  const problem = limitProblem(world, number, to, body);
  if (problem === null) countSent(world, number, to, body);
  return problem?.code ?? null;
}
const all = (count: number, to: (n: number) => string, body: object = TEXT) =>
  Array.from({ length: count }, (_, n) => send(to(n), body));
const taken = (codes: readonly (number | null)[]) => codes.filter((code) => code === null).length;

it('takes as many messages in a second as the number’s throughput says', () => {
  expect(taken(all(100, (n) => `${n}`))).toBe(80);
  expect(send('x')).toBe(130429);
  number.throughput = 'HIGH';
  expect(send('x')).toBeNull();
});

it('takes as few as a number has that is used in the app, too', () => {
  number.onBusinessApp = true;
  expect(taken(all(100, (n) => `${n}`))).toBe(20);
});

it('takes 45 messages to one customer at once, and then one in six seconds', () => {
  expect(all(46, () => 'ada')).toEqual([...Array<null>(45).fill(null), 131056]);
  expect(send('bob')).toBeNull();
  world.advance(6000);
  expect([send('ada'), send('ada')]).toEqual([null, 131056]);
  world.advance(5 * 60_000);
  expect(taken(all(30, () => 'ada'))).toBe(30);
});

it('takes templates to as many new customers a day as the tier says, and answers beside them', () => {
  number.tier = 'TIER_50';
  expect(taken(all(60, (n) => `${n}`, TEMPLATE))).toBe(50);
  expect(send('x', TEMPLATE)).toBe(131048);
  expect(send('1', TEMPLATE)).toBeNull();
  number.wroteAt.set('x', world.now());
  expect([send('x', TEMPLATE), send('x')]).toEqual([null, null]);
  expect(send('y', TEMPLATE)).toBe(131048);
  world.advance(24 * HOUR_MS);
  expect(send('y', TEMPLATE)).toBeNull();
});
