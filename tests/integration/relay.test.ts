import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { loadConfig } from '../../config/config.ts';
import { inTenant } from '../../db/connection.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import { freePort } from '../../embedded/ports.ts';
import { findTemporal } from '../../embedded/temporal-binary.ts';
import { silentProgress } from '../../embedded/progress.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createLogger } from '../../telemetry/log.ts';
import { openDeps, type OpenDeps } from '../../workers/deps.ts';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/search-attributes.ts';
import { ticketWorkflowId } from '../../workflows/contracts/ticket.ts';
import { testDatabase } from '../harness/index.ts';

let deps: OpenDeps;
let tenantId: TenantId;
let server: ChildProcess | undefined;
let port: number;
const binary = findTemporal(process.env, silentProgress);

beforeAll(async () => {
  port = await freePort();
  deps = openDeps(
    loadConfig({
      DATABASE_URL: (await testDatabase()).url,
      TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
      POSTROOM_MASTER_KEY: KeyRing.generate(),
    }),
    createLogger('fatal'),
  );
  tenantId = await ensureTenant(deps.db, 'relay');
});

afterAll(async () => {
  await deps.close();
  await stopTemporal();
});

async function startTemporal(): Promise<void> {
  server = spawn(
    await binary,
    ['server', 'start-dev', '--headless', '--port', String(port), '--log-level', 'error'],
    { stdio: 'ignore' },
  );
  for (let attempt = 0; attempt < 200; attempt += 1) {
    try {
      await registerSearchAttributes(deps.client, 'default');
      // The frontend knows a new attribute only a moment later.
      await deps.client.workflow.start('probe', {
        workflowId: 'probe',
        taskQueue: 'probe',
        typedSearchAttributes: [{ key: SEARCH_ATTRIBUTES.tenant, value: 'probe' }],
      });
      return;
    } catch {
      await sleep(100); // not up yet
    }
  }
  throw new Error('Temporal did not start');
}

async function stopTemporal(): Promise<void> {
  if (!server) return;
  const ended = once(server, 'exit');
  server.kill('SIGKILL');
  await ended;
  server = undefined;
}

async function leaveTicketStart(): Promise<{ ticketId: string; pending: Pending }> {
  const ticketId = newId('ticket');
  const pending = new Pending(tenantId);
  await inTenant(deps.db, tenantId, (tx) =>
    pending.startTickets(tx, [{ ticketId, wakeAt: null, summary: 'Ticket' }]),
  );
  return { ticketId, pending };
}

const outbox = () =>
  inTenant(deps.db, tenantId, (tx) => tx.selectFrom('outbox').selectAll().execute());
const started = async (ticketId: string) => {
  const { status } = await deps.client.workflow
    .getHandle(ticketWorkflowId({ tenantId, ticketId }))
    .describe();
  return status.name;
};

test('while Temporal is away nobody waits long for it, nothing is lost, and its return is noticed within seconds', async () => {
  const first = await leaveTicketStart();
  await deps.relay.flush(first.pending);
  const second = await leaveTicketStart();
  const before = Date.now();
  await deps.relay.flush(second.pending);
  expect(Date.now() - before).toBeLessThan(1_000);
  expect(await outbox()).toHaveLength(2);

  await startTemporal();
  for (const deadline = Date.now() + 60_000; (await outbox()).length > 0; await sleep(100)) {
    if (Date.now() > deadline) throw new Error('The outbox was not handed over.');
  }
  expect(await started(first.ticketId)).toBe('RUNNING');
  expect(await started(second.ticketId)).toBe('RUNNING');
});

test('a row added while its predecessor is handed over is not cleared with it', async () => {
  const { ticketId, pending } = await leaveTicketStart();
  const again = new Pending(tenantId);
  await inTenant(deps.db, tenantId, (tx) =>
    again.startTickets(tx, [{ ticketId, wakeAt: null, summary: 'Ticket' }]),
  );
  await deps.relay.flush(pending);
  expect(await outbox()).toHaveLength(1);
  await deps.relay.flush(again);
  expect(await outbox()).toHaveLength(0);
});
