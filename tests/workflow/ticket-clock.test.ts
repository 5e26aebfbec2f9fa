import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { elapsedMs } from '../../activities/elapsed.ts';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { workflowBundle } from '../../workers/temporal/bundle.ts';
import type { TicketActivities } from '../../workflows/contracts/ticket-activities.ts';
import { ticketWorkflowType, type TicketSnapshot } from '../../workflows/contracts/ticket.ts';
import { testTemporal } from '../harness/index.ts';

const AWAY_MS = 6_000;
const DUE_MS = 9_000;

let connection: NativeConnection;
let client: Client;

beforeAll(async () => {
  const { address, namespace } = await testTemporal();
  connection = await NativeConnection.connect({ address });
  client = new Client({ connection: await Connection.connect({ address }), namespace });
  await registerSearchAttributes(client, namespace);
}, 240_000);

afterAll(async () => {
  await client?.connection.close();
  await connection?.close();
});

it('a clock rings on time though Postgres was away at the start of the same workflow task', async () => {
  const bundle = await workflowBundle();
  let asked = 0;
  const due = () => new Date(asked + DUE_MS);
  const rang = Promise.withResolvers<{ at: number; now: string }>();
  const snapshot = (more: Partial<TicketSnapshot>): TicketSnapshot => ({
    version: 1,
    status: 'open',
    slaLevel: 0,
    slaDueAt: due().toISOString(),
    closesAt: null,
    endsAt: null,
    outgoing: [],
    summary: '',
    details: '',
    elapsedMs: elapsedMs(),
    ...more,
  });
  const activities: Pick<TicketActivities, 'loadTicket' | 'applyDue'> = {
    async loadTicket() {
      asked ||= Date.now();
      if (Date.now() < asked + AWAY_MS) throw new Error('Postgres is away.');
      return snapshot({});
    },
    async applyDue({ now }) {
      rang.resolve({ at: Date.now(), now });
      return snapshot({ version: 2, slaDueAt: null });
    },
  };
  const worker = await Worker.create({
    connection,
    namespace: client.options.namespace,
    taskQueue: 'tickets',
    workflowBundle: bundle,
    activities: { ...activities },
  });
  await worker.runUntil(async () => {
    const handle = await client.workflow.start(ticketWorkflowType, {
      workflowId: 'clock',
      taskQueue: 'tickets',
      args: [{ tenantId: 'tnt_clock', ticketId: 'tkt_clock' }],
    });
    const { at, now } = await rang.promise;
    expect(at - due().getTime()).toBeGreaterThanOrEqual(0);
    // Without the time that the retries took it would ring that much late.
    expect(at - due().getTime()).toBeLessThan(AWAY_MS * 0.8);
    expect(Date.parse(now)).toBeGreaterThanOrEqual(due().getTime());
    await handle.terminate();
  });
}, 240_000);
