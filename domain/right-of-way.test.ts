import { expect, test } from '@jest/globals';
import { RightOfWay, type Clock } from './right-of-way.ts';

/** A clock that goes on by sleeping alone. */
class SleptThrough implements Clock {
  ms = 0;
  now = () => this.ms;
  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    // Others act first, as they would in any time at all.
    for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
    signal?.throwIfAborted();
    this.ms += ms;
  };
}

function busyDoors(tookMs: number) {
  const clock = new SleptThrough();
  const waits: number[] = [];
  const way = new RightOfWay((ms) => waits.push(ms), clock);
  const calls = (count = 20) => {
    for (let call = 0; call < count; call += 1) way.stored(tookMs);
  };
  calls();
  return { clock, way, waits, calls };
}

/** Work that ends when it is told to. */
function work() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { end: resolve, run: () => promise };
}

const settling = async () => {
  for (let turns = 0; turns < 50; turns += 1) await Promise.resolve();
};

test('while doors are calm work runs side by side, and not gently', async () => {
  const way = new RightOfWay();
  way.stored(500);
  const told: boolean[] = [];
  const both = Promise.withResolvers<void>();
  const one = way.turn(async (gently) => {
    told.push(gently);
    await both.promise;
  });
  await way.turn((gently) => Promise.resolve(told.push(gently)));
  both.resolve();
  await one;
  expect(told).toEqual([false, false]);
});

test('while doors are busy work is done one at a time, in its order, gently', async () => {
  const way = new RightOfWay(undefined, { now: () => 0, sleep: () => new Promise(() => {}) });
  for (let call = 0; call < 20; call += 1) way.stored(1);
  const began: string[] = [];
  const [first, second] = [work(), work()];
  const all = [
    way.turn((gently) => (began.push(`first ${gently}`), first.run())),
    way.turn((gently) => (began.push(`second ${gently}`), second.run())),
    way.turn((gently) => Promise.resolve(began.push(`third ${gently}`))),
  ];
  await settling();
  expect(began).toEqual(['first true']);
  first.end();
  await settling();
  expect(began).toEqual(['first true', 'second true']);
  second.end();
  await Promise.all(all);
  expect(began).toEqual(['first true', 'second true', 'third true']);
});

test('where calls are stored slowly it rests, at most twice as long as what came before', async () => {
  const { way, clock, calls, waits } = busyDoors(100);
  const lasting = (ms: number) =>
    way.turn(() => {
      clock.ms += ms;
      calls();
      return Promise.resolve();
    });
  await lasting(300); // nothing came before
  await lasting(400); // 600 by what came before, but the doors have been silent for 500
  calls();
  const begun = clock.ms;
  const keepCalling = async () => {
    while (clock.ms < begun + 3_000 && waits.length < 3) {
      calls(1);
      await Promise.resolve();
    }
  };
  await Promise.all([lasting(5_000), keepCalling()]);
  expect(waits[0]).toBe(0);
  expect(waits[1]).toBeGreaterThanOrEqual(480);
  expect(waits[1]).toBeLessThan(600);
  expect(waits[2]).toBeGreaterThanOrEqual(780);
  expect(waits[2]).toBeLessThanOrEqual(820);
});

test('it rests no longer than calls are stored slowly', async () => {
  const { way, clock, calls, waits } = busyDoors(1);
  await way.turn(() => Promise.resolve(void (clock.ms += 500)));
  calls();
  await way.turn(() => Promise.resolve());
  expect(waits).toEqual([0, 0]);
});

test('nobody waits for ever for one whose turn does not end', async () => {
  const { way, clock, calls } = busyDoors(1);
  const stuck = work();
  const never = way.turn(stuck.run);
  calls();
  await way.turn(() => Promise.resolve());
  expect(clock.ms).toBe(10_000);
  stuck.end();
  await never;
});

test('what fails ends its turn', async () => {
  const { way, calls } = busyDoors(1);
  await expect(way.turn(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  calls();
  expect(await way.turn(() => Promise.resolve('yes'))).toBe('yes');
});
