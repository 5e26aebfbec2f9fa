import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../generator/random.ts';
import { check, untilQuiet, type Findings } from './checker.ts';
import type { Victim } from './installation.ts';
import { ENDPOINTS, MOMENTS, type Moment } from './moments.ts';
import { setStage, type World } from './stage.ts';

/** One field of the matrix. */
export interface Scene {
  readonly victim: Victim;
  readonly moment: Moment;
  readonly seed: number;
}

export interface SceneReport extends Scene {
  /** Share of the activity that was done at the kill. */
  readonly killedAt: number;
  readonly awaySeconds: number;
  /** From everything being back to nothing being under way. */
  readonly settledSeconds: number;
  readonly stalledMs: number;
  /** Programs that ended by themselves and were started again. */
  readonly restarts: number;
  readonly findings: Findings;
}

const MIDDLE = { from: 0.1, to: 0.75 };
const MIDDLE_WITHIN_MS = 90_000;
const AWAY_MS = { least: 300, most: 2_500 };
const QUIET_WITHIN_MS = 240_000;

/**
 * Plays it: kills the victim at a random point of the activity's middle, brings it back, and looks at what is left.
 * @param sharedMs by which clocks may be later still, where other work shares the machine.
 */
export async function playScene(
  world: World,
  { victim, moment, seed }: Scene,
  { awayMs, sharedMs = 0 }: { awayMs?: number; sharedMs?: number } = {},
): Promise<SceneReport> {
  const { services } = world.installation;
  const random = new Random(seed);
  const stage = await setStage(world, seed, ENDPOINTS[moment]);
  const activity = await MOMENTS[moment](stage);
  const restartsBefore = restartsOf(world);

  const acting = activity.act();
  acting.catch(() => undefined); // it is awaited below
  const aim = MIDDLE.from + random.next() * (MIDDLE.to - MIDDLE.from);
  const killedAt = await untilProgress(activity.progress, aim);
  await sleep(random.int(0, 40));
  const began = Date.now();
  await services[victim].kill();
  await sleep(awayMs ?? random.int(AWAY_MS.least, AWAY_MS.most));
  await services[victim].start();
  await world.installation.ready(victim === 'worker' || victim === 'temporal' ? began : 0);
  const backAt = Date.now();
  const stalls = monitorEventLoopDelay({ resolution: 20 });
  stalls.enable();

  await acting;
  const left = await untilQuiet(stage, activity.expected, QUIET_WITHIN_MS);
  const settledSeconds = (Date.now() - backAt) / 1000;
  stalls.disable();
  const stalledMs = sharedMs + stalls.max / 1e6;
  const findings = await check(stage, activity.expected, { at: backAt, stalledMs });
  world.receivers.answerWith({});
  return {
    victim,
    moment,
    seed,
    killedAt,
    awaySeconds: (backAt - began) / 1000,
    settledSeconds,
    stalledMs,
    restarts: restartsOf(world) - restartsBefore,
    findings: {
      ...findings,
      faults: [...left.map((what) => `Still under way: ${what}`), ...findings.faults],
    },
  };
}

async function untilProgress(
  progress: () => Promise<number> | number,
  aim: number,
): Promise<number> {
  const deadline = Date.now() + MIDDLE_WITHIN_MS;
  for (;;) {
    const share = await progress();
    if (share >= aim) return share;
    if (Date.now() > deadline)
      throw new Error(`It came no further than ${Math.round(share * 100)} % in time.`);
    await sleep(5);
  }
}

function restartsOf({ installation }: World): number {
  return Object.values(installation.services).reduce((sum, { restarts }) => sum + restarts, 0);
}
