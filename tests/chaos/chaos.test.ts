import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Victim } from './installation.ts';
import type { Moment } from './moments.ts';
import { playScene } from './scene.ts';
import { openWorld, type World } from './stage.ts';
import { sceneLine } from './table.ts';
import { describeWith } from '../harness/index.ts';

// The short form of `npm run chaos`: one scene for each part, and each door and duty once.
const SCENES: readonly (readonly [Victim, Moment])[] = [
  ['postgres', 'import'],
  ['api', 'smtp'],
  ['temporal', 'http'],
  ['worker', 'clock'],
  ['postgres', 'reply'],
];

/** Other suites run beside this one, on as few as two cores; `npm run chaos` holds clocks to the second. */
const SHARED_MS = 8_000;

/** The same kill points in every run; `npm run chaos` takes others. */
const seed = 2026;

describeWith('dovecot', `killed in the middle (seed ${seed})`, () => {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(SCENES.length);
  }, 240_000);

  afterAll(async () => {
    await world?.close();
  }, 240_000);

  it.each(SCENES.map(([victim, moment], at) => ({ victim, moment, at })))(
    '$victim during $moment: nothing lost, nothing doubled',
    async ({ victim, moment, at }) => {
      const report = await playScene(
        world,
        { victim, moment, seed: seed + at },
        { sharedMs: SHARED_MS },
      );
      process.stderr.write(`  ${victim}/${moment} ${sceneLine(report)}\n`);
      expect(report.findings.faults).toEqual([]);
    },
    240_000,
  );
});
