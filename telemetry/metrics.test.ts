import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Backlog } from '../db/queries/backlog.ts';
import { watchBacklog } from './backlog-metrics.ts';
import { registry } from './metrics.ts';
import './webhook-metrics.ts';

const docs = (name: string) => readFileSync(join(import.meta.dirname, '../docs', name), 'utf8');
const isOfTheProcess = (name: string) => /^postroom_(process|nodejs)_/.test(name);

const LEFT: Backlog = {
  staged: 3,
  staged_age: 12.5,
  set_aside: 1,
  outbox: 2,
  outbox_age: 7,
  deliveries: 5,
  deliveries_overdue: 0,
  deliveries_age: 0,
  answers: 4,
  channels: [
    { state: 'watching', channels: 2 },
    { state: 'paused', channels: 1 },
  ],
};

describe('metrics', () => {
  let known: string[];
  beforeAll(() => {
    watchBacklog(() => Promise.resolve(LEFT));
    known = registry.getMetricsAsArray().map(({ name }) => name);
  });

  it('are all in docs/metrics.md', () => {
    const table = docs('metrics.md');
    for (const name of known.filter((name) => !isOfTheProcess(name)))
      expect(table).toContain(`\`${name}\``);
  });

  it('are all that docs/metrics.md and the dashboard speak of', () => {
    const asked = `${docs('metrics.md')}${docs('dashboard.json')}`.match(
      /\bpostroom_[a-z_]+[a-z]\b/g,
    );
    const series = new Set(
      known.flatMap((name) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]),
    );
    const unknown = asked!.filter(
      (name) => !series.has(name) && !/^postroom_(process|nodejs)_?$/.test(name),
    );
    expect(unknown).toEqual([]);
  });

  it('show what waits as it is when they are scraped', async () => {
    const text = await registry.metrics();
    for (const line of [
      'postroom_sources_staged 3',
      'postroom_sources_staged_age_seconds 12.5',
      'postroom_deliveries_overdue 0',
      'postroom_channels{state="paused"} 1',
      'postroom_database_up 1',
    ])
      expect(text.split('\n')).toContain(line);
  });

  it('leave out what the database does not say, and say that it does not', async () => {
    watchBacklog(() => Promise.reject(new Error('connection refused')));
    const lines = (await registry.metrics()).split('\n');
    expect(lines).toContain('postroom_database_up 0');
    expect(lines.filter((line) => /^postroom_(sources_staged|outbox|channels)/.test(line))).toEqual(
      [],
    );
  });

  it('answer a scrape although the database hangs', async () => {
    watchBacklog(() => new Promise(() => undefined));
    const from = Date.now();
    expect((await registry.metrics()).split('\n')).toContain('postroom_database_up 0');
    expect(Date.now() - from).toBeLessThan(20_000);
  });
});
