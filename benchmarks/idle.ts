import { setTimeout as sleep } from 'node:timers/promises';
import { imapClient } from './ceilings.ts';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import { openScene, percentile, plainMail, tickets, type Scene } from './scene.ts';

const ALLOWED_AFTER_ANNOUNCEMENT_MS = 150;
const LOOK_EVERY_MS = 10;
const GIVEN_UP_AFTER_MS = 30_000;
/** Enough for the product to be waiting again. */
const BETWEEN_MS = 2_000;

export const idle: Benchmark = {
  name: 'idle',
  about: 'one mail delivered to its ticket readable by the API, beside the server’s announcement',
  async run({ quick, say }: BenchmarkOptions): Promise<Figure[]> {
    const scene = await openScene();
    const listener = imapClient(scene.server, scene.user);
    try {
      await listener.connect();
      await listener.mailboxOpen('INBOX', { readOnly: true });
      void listener.idle();
      await measure(scene, listener, 0);
      const announced: number[] = [];
      const readable: number[] = [];
      for (let at = 1; at <= (quick ? 5 : 40); at += 1) {
        const one = await measure(scene, listener, at);
        announced.push(one.announced);
        readable.push(one.readable);
      }
      const [told, shown] = [announced, readable].map((times) => ({
        p50: percentile(times, 50),
        p95: percentile(times, 95),
      })) as [Percentiles, Percentiles];
      say(`announced ${written(told)}; readable ${written(shown)}`);
      const ceiling = (ms: number) => `the announcement: ${ms.toFixed(0)} ms`;
      return [
        { name: 'p50', value: shown.p50, unit: 'ms', ceiling: ceiling(told.p50) },
        {
          name: 'p95',
          value: shown.p95,
          unit: 'ms',
          target: { atMost: Math.round(told.p95 + ALLOWED_AFTER_ANNOUNCEMENT_MS) },
          ceiling: ceiling(told.p95),
        },
      ];
    } finally {
      listener.close();
      await scene.close();
    }
  },
};

interface Percentiles {
  readonly p50: number;
  readonly p95: number;
}

function written({ p50, p95 }: Percentiles): string {
  return `p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`;
}

/** Milliseconds from the delivery to the server's word to a bare client, and to the ticket in the API. */
async function measure(scene: Scene, listener: ReturnType<typeof imapClient>, at: number) {
  // Not in step with any interval of the server's.
  await sleep(BETWEEN_MS + Math.random() * 500);
  const subject = `Delivered ${at}`;
  const began = performance.now();
  const announcement = new Promise<number>((told) =>
    listener.once('exists', () => told(performance.now() - began)),
  );
  scene.server.deliver(scene.user.username, plainMail(subject));
  const readable = await untilReadable(scene, subject, began);
  return { announced: await announcement, readable };
}

async function untilReadable(scene: Scene, subject: string, began: number): Promise<number> {
  while (performance.now() - began < GIVEN_UP_AFTER_MS) {
    const found = await tickets(scene, 1);
    if (found[0]?.subject === subject) return performance.now() - began;
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error(`"${subject}" is no ticket after ${GIVEN_UP_AFTER_MS / 1000} s.`);
}
