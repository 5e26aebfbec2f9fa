import { Gauge } from 'prom-client';
import type { Backlog } from '../db/queries/backlog.ts';
import { registry } from './metrics.ts';

type Numbers = Exclude<keyof Backlog, 'channels'>;

const GAUGES: readonly (readonly [Numbers, string, string])[] = [
  ['staged', 'postroom_sources_staged', 'Sources stored and not yet processed.'],
  [
    'staged_age',
    'postroom_sources_staged_age_seconds',
    'Age of the oldest staged source whose channel runs.',
  ],
  ['set_aside', 'postroom_sources_set_aside', 'Sources that could not be processed.'],
  ['outbox', 'postroom_outbox_rows', 'Work that has not reached Temporal yet.'],
  ['outbox_age', 'postroom_outbox_age_seconds', 'Age of the oldest outbox row.'],
  ['deliveries', 'postroom_deliveries_pending', 'Webhook deliveries neither delivered nor failed.'],
  [
    'deliveries_overdue',
    'postroom_deliveries_overdue',
    'Pending deliveries that nobody is at work on; the drain takes them up.',
  ],
  [
    'deliveries_age',
    'postroom_deliveries_overdue_age_seconds',
    'How long the oldest overdue delivery has been left.',
  ],
  ['answers', 'postroom_answers_queued', 'Answers to customers that have not gone out.'],
];

/** Several scrapers ask the database once. */
const KEPT_MS = 5_000;
/** A scrape goes on without the backlog where the database does not answer. */
const PATIENCE_MS = 2_000;

/**
 * Gauges of what waits, read from the database when they are scraped. While it does not answer they are absent, and
 * `postroom_database_up` is 0: a stale number would look like a healthy one.
 */
export function watchBacklog(read: () => Promise<Backlog>): void {
  let known: { at: number; backlog: Promise<Backlog | null> } | null = null;
  const backlog = (): Promise<Backlog | null> => {
    if (!known || Date.now() - known.at > KEPT_MS)
      known = { at: Date.now(), backlog: withPatience(read()) };
    return known.backlog;
  };
  for (const [field, name, help] of GAUGES)
    fresh(name, help, [], async (gauge) => {
      const found = await backlog();
      if (found) gauge.set(found[field]);
    });
  fresh('postroom_channels', 'Channels by state.', ['state'], async (gauge) => {
    for (const { state, channels } of (await backlog())?.channels ?? [])
      gauge.set({ state }, channels);
  });
  fresh('postroom_database_up', 'Whether the database answered this scrape.', [], async (gauge) => {
    gauge.set((await backlog()) ? 1 : 0);
  });
}

/** The process's newest database counts: tests open several. */
function fresh(
  name: string,
  help: string,
  labelNames: string[],
  set: (gauge: Gauge) => Promise<void>,
): void {
  registry.removeSingleMetric(name);
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    async collect() {
      // Without a label, a reset gauge would show 0.
      if (labelNames.length === 0) gauge.remove();
      else gauge.reset();
      await set(gauge);
    },
  });
}

async function withPatience(answer: Promise<Backlog>): Promise<Backlog | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((done) => {
    timer = setTimeout(() => done(null), PATIENCE_MS);
  });
  try {
    // What the database says is in the log of whoever asked it for work, and in `/readyz`.
    return await Promise.race([answer.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
