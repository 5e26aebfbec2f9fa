import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { seededRandom } from '../simulators/faults.ts';
import type { DoorCall } from '../simulators/mail-cloud.ts';
import type { ChatScene } from './chat-scene.ts';

const SEED = 20_261_121;
const DUPLICATES = 0.2;
/** One call in so many holds several items of several accounts. */
const BATCH_EVERY = 20;
const BATCH = 5;

/** How the calls were answered: from when each was due until its answer was there, in milliseconds. */
export interface Answered {
  readonly ms: readonly number[];
  /** Of those that bring reports of what was sent, and no messages. */
  readonly reportsMs: readonly number[];
  /** How often each status was answered; 0: there was no answer. */
  readonly statuses: Readonly<Record<number, number>>;
  /** With 200 at last: what was answered otherwise is called again, as the vendor does it. */
  readonly accepted: number;
}

/**
 * `count` signed calls, a fifth of them the same as another: every report of the answers that were sent, and new messages
 * of customers for the rest.
 */
export async function callsOf(scene: ChatScene, count: number): Promise<DoorCall[]> {
  const { hooks } = scene.meta;
  const distinct = Math.round(count * (1 - DUPLICATES));
  Object.assign(hooks.behaviour, { gatherMs: 0, mostPerCall: 1 });
  hooks.hold();
  scene.reportAll();
  await hooks.settled();
  const reports = await hooks.release();
  const calls = [...reports];
  hooks.hold();
  const batches = Math.floor(distinct / BATCH_EVERY);
  const single = distinct - reports.length - batches;
  if (single < 0) throw new Error(`${count} calls are too few for ${reports.length} reports.`);
  for (let n = 0; n < single; n += 1) scene.write();
  await hooks.settled();
  // Each batch goes into calls by app: so many items of one app are one call.
  hooks.behaviour.mostPerCall = BATCH;
  for (let n = 0; n < batches * BATCH; n += 1) scene.write(0);
  calls.push(...(await hooks.release()));
  const random = seededRandom(SEED);
  const again = Array.from(
    { length: count - calls.length },
    () => calls[Math.floor(random() * calls.length)]!,
  );
  return [...calls, ...again];
}

export function shuffled<T>(all: readonly T[]): T[] {
  const random = seededRandom(SEED);
  return all
    .map((one) => ({ one, by: random() }))
    .sort((a, b) => a.by - b.by)
    .map(({ one }) => one);
}

/** Makes the calls at a rate, each when it is due, whether or not those before it were answered. */
export async function play(calls: readonly DoorCall[], perSecond: number): Promise<Answered> {
  const began = performance.now();
  const ms: number[] = [];
  const reportsMs: number[] = [];
  const statuses: Record<number, number> = {};
  let accepted = 0;
  const under: Promise<void>[] = [];
  for (const [index, call] of calls.entries()) {
    const due = began + (index * 1000) / perSecond;
    const early = due - performance.now();
    if (early > 1) await sleep(early);
    under.push(
      post(call).then(async (status) => {
        const took = performance.now() - due;
        ms.push(took);
        if (isReport(call)) reportsMs.push(took);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status === 200 || (await again(call))) accepted += 1;
      }),
    );
  }
  await Promise.all(under);
  return { ms, reportsMs, statuses, accepted };
}

const AGAIN_AFTER_MS = 500;
const MOST_TRIES = 10;

async function again(call: DoorCall): Promise<boolean> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    await sleep(AGAIN_AFTER_MS * 2 ** Math.min(tries, 4));
    if ((await post(call)) === 200) return true;
  }
  return false;
}

const isReport = ({ body }: DoorCall) => /"(statuses|delivery|read)":/.test(body.toString());

/** @returns the answer's status; 0 where there was none */
async function post({ url, headers, body }: DoorCall): Promise<number> {
  try {
    // Not by fetch: it takes three times the processor, of which the product's cores are short.
    const answer = await request(url, { method: 'POST', headers, body });
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}
