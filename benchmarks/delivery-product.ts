// The product's deliveries role in a process of its own, which also raises events as ingestion does: told by messages.
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../config/config.ts';
import { inTenant } from '../db/connection.ts';
import { writeEvents } from '../db/queries/events.ts';
import { Pending } from '../db/queries/outbox.ts';
import type { TenantId } from '../domain/ids.ts';
import { createLogger } from '../telemetry/log.ts';
import { openDeps } from '../workers/deps.ts';
import { startWorkers } from '../workers/start.ts';
import { now, type Raise } from './delivery-messages.ts';

/** Makes the JSON of an event about 1 KiB. */
const FILLER = 'x'.repeat(840);

async function main(): Promise<void> {
  const config = loadConfig();
  const deps = openDeps(config, createLogger(config.logLevel));
  const workers = await startWorkers(deps, ['deliveries']);
  process.on('message', (order: Raise | 'stop') => void follow(order));
  process.send!('ready');

  async function follow(order: Raise | 'stop'): Promise<void> {
    if (order === 'stop') {
      await workers.stop();
      await deps.close();
      process.exit(0);
    }
    const began = now();
    if (order.rate === undefined) await asFastAsGoes(order);
    else await atRate(order, order.rate);
    process.send!({ began, ended: now() });
  }

  async function asFastAsGoes({ tenantId, events, perTransaction, writers }: Raise) {
    let left = events;
    const writer = async () => {
      while (left > 0) {
        const count = Math.min(perTransaction, left);
        left -= count;
        await raise(tenantId as TenantId, count);
      }
    };
    await Promise.all(Array.from({ length: writers }, writer));
  }

  async function atRate({ tenantId, events, perTransaction }: Raise, rate: number) {
    const began = performance.now();
    const under: Promise<void>[] = [];
    for (let event = 0; event < events; event += perTransaction) {
      await sleep(Math.max(0, began + (event / rate) * 1000 - performance.now()));
      under.push(raise(tenantId as TenantId, perTransaction));
    }
    await Promise.all(under);
  }

  async function raise(tenantId: TenantId, count: number): Promise<void> {
    const pending = new Pending(tenantId);
    const raisedAt = now();
    const events = Array.from({ length: count }, () => ({
      type: 'channel.recovered' as const,
      ticketId: null,
      sequence: null,
      data: { raisedAt, filler: FILLER },
    }));
    await inTenant(deps.db, tenantId, (tx) => writeEvents(tx, pending, events));
    await deps.relay.flush(pending, { whole: true });
  }
}

await main();
