import { setTimeout as sleep } from 'node:timers/promises';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import type { PendingWork } from '../workflows/contracts/relay.ts';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import { openStage, type Stage } from './stage.ts';
import { cpuBetween, cpuOf, memoryOf, pidOf, withoutDovecot } from './usage.ts';

const DAY_MS = 86_400_000;
const LISTED_WITHIN_MS = 120_000;
/** What one flush hands over in its time. */
const AT_ONCE = 500;

export const rest: Benchmark = {
  name: 'rest',
  about: '10,000 open tickets that wait for their deadlines',
  async run({ quick, say }: BenchmarkOptions): Promise<Figure[]> {
    const count = quick ? 1000 : 10_000;
    const seconds = quick ? 10 : 60;
    const stage = await openStage();
    try {
      const product = await stage.startProduct();
      await sleep(3000);
      const empty = await quietUsage(product.pid, seconds);
      const began = performance.now();
      await startAll(stage, count);
      say(`${count} started in ${((performance.now() - began) / 1000).toFixed(0)} s`);
      await untilListed(stage, count);
      await sleep(3000);
      const before = await totalEvents(stage);
      const used = await quietUsage(product.pid, seconds);
      const added = (await totalEvents(stage)) - before;
      const memory = memoryOf(pidOf('temporal')!).now;
      say(`${before} events of ${count} tickets, ${added} more after ${seconds} s`);
      return [
        {
          name: 'events that a minute of rest adds',
          value: added,
          unit: 'events',
          target: { atMost: 0 },
        },
        { name: 'events a ticket', value: before / count, unit: 'events' },
        {
          name: 'Temporal’s CPU',
          value: used.temporal,
          unit: '% of a core',
          ceiling: `without tickets: ${empty.temporal.toFixed(2)} %`,
        },
        {
          name: 'CPU of all',
          value: used.all,
          unit: '% of a core',
          ceiling: `without tickets: ${empty.all.toFixed(2)} %`,
        },
        { name: 'Temporal’s memory', value: memory, unit: 'MB' },
      ];
    } finally {
      await stage.close();
    }
  },
};

/** As ingestion hands them over: asleep until their first deadline, weeks away. */
async function startAll({ deps }: Stage, count: number): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    const wakeAt = new Date(Date.now() + 30 * DAY_MS).toISOString();
    const ids = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, at) => from + at);
    const work: PendingWork = {
      tenantId: 'tnt_rest',
      ticketStarts: new Map(
        ids.map((id) => [`tkt_${id}`, { wakeAt, summary: `Ticket ${id}: open.`, version: 1 }]),
      ),
      ticketWakes: new Map(),
      channels: new Map(),
      deliveries: [],
      streamed: false,
    };
    await deps.relay.flush(work);
  }
}

const TICKETS = 'WorkflowType = "ticket"';

async function untilListed({ deps }: Stage, count: number): Promise<void> {
  for (const deadline = Date.now() + LISTED_WITHIN_MS; Date.now() < deadline; await sleep(500)) {
    if ((await deps.client.workflow.count(TICKETS)).count === count) return;
  }
  throw new Error(`Temporal does not list ${count} tickets.`);
}

/** Each workflow task would add three. */
async function totalEvents({ deps }: Stage): Promise<number> {
  let events = 0;
  const found = deps.client.workflow.list({ query: TICKETS, pageSize: 1000 });
  for await (const workflow of found.intoHistories({ concurrency: 20 }))
    events += (workflow.history as History).events?.length ?? 0; // the SDK leaves its type open
  return events;
}

async function quietUsage(productPid: number, seconds: number) {
  const before = cpuOf([productPid]);
  await sleep(seconds * 1000);
  const cpu = cpuBetween(before, cpuOf([productPid]));
  const percent = (ms: number) => ms / (seconds * 10);
  return { temporal: percent(cpu.temporal), all: percent(withoutDovecot(cpu)) };
}
