import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../domain/ids.ts';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import { openScene, percentile, plainMail, tickets, type Scene } from './scene.ts';

const TARGET_P95_MS = 60;
const TICKETS = 50;
const WRITTEN_DOWN_MS = 100;

export const reply: Benchmark = {
  name: 'reply',
  about: 'an agent’s reply until the API accepts it, one at a time',
  async run({ quick, say }: BenchmarkOptions): Promise<Figure[]> {
    const mails = Array.from({ length: quick ? 10 : TICKETS }, (_, at) => plainMail(`Case ${at}`));
    const scene = await openScene(mails);
    try {
      const ids = (await tickets(scene)).map(({ id }) => id);
      const read = await timed(ids, (id) => scene.call('GET', `/v1/tickets/${id}`));
      // The first reply to a ticket wakes its workflow, which sleeps from its start.
      const hasLeft = untilSent(scene);
      const waking = await timed(ids, answer(scene), hasLeft);
      const further = await timed([...ids, ...ids, ...ids], answer(scene), hasLeft);
      const hurried = await timed(ids, answer(scene));
      await scene.sink.waitFor(ids.length * 5, 120_000);
      // The least an Update costs: one about a command that there is not.
      const { relay } = scene.stage.deps;
      const tenantId = scene.tenant.id;
      const update = (ticketId: string) =>
        relay.command({ tenantId, ticketId }, 'reply', newId('command'));
      const bare = await timed(ids, update);
      say(`bare Update ${written(bare)}`);
      say(`read ${written(read)}; waking ${written(waking)}; further ${written(further)}`);
      say(`without waiting until the one before has left: ${written(hurried)}`);
      const all = [...waking, ...further];
      const ceiling = (percent: number) =>
        `an Update of nothing: ${percentile(bare, percent).toFixed(0)} ms`;
      return [
        { name: 'p50', value: percentile(all, 50), unit: 'ms', ceiling: ceiling(50) },
        {
          name: 'p95',
          value: percentile(all, 95),
          unit: 'ms',
          target: { atMost: TARGET_P95_MS },
          ceiling: ceiling(95),
        },
        { name: 'the first to a sleeping ticket, p95', value: percentile(waking, 95), unit: 'ms' },
        {
          name: 'while the one before is being sent, p95',
          value: percentile(hurried, 95),
          unit: 'ms',
        },
      ];
    } finally {
      await scene.close();
    }
  },
};

function answer({ call }: Scene) {
  return (id: string) =>
    call('POST', `/v1/tickets/${id}/messages`, { text: 'We look into it and write again.' });
}

/** The answer before has left and that is written down: the next one is measured by itself. */
function untilSent({ sink }: Scene): () => Promise<unknown> {
  let sent = sink.mails.length;
  return async () => {
    sent += 1;
    await sink.waitFor(sent, 30_000);
    await sleep(WRITTEN_DOWN_MS);
  };
}

async function timed(
  ids: readonly string[],
  work: (id: string) => Promise<unknown>,
  between?: () => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  for (const id of ids) {
    const began = performance.now();
    await work(id);
    times.push(performance.now() - began);
    await between?.();
  }
  return times;
}

function written(times: readonly number[]): string {
  return `p50 ${percentile(times, 50).toFixed(0)} ms, p95 ${percentile(times, 95).toFixed(0)} ms`;
}
