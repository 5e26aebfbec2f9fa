import { setTimeout as sleep } from 'node:timers/promises';
import { changeTenantSettings } from '../db/queries/tenants.ts';
import { httpSink, type HttpSink } from '../tests/harness/http-sink.ts';
import { ticketWorkflowId } from '../workflows/contracts/ticket.ts';
import { webhookDeliveryWorkflowId } from '../workflows/contracts/webhook-delivery.ts';
import type { Benchmark, BenchmarkOptions, Figure } from './contract.ts';
import { costOf, type Cost } from './history-cost.ts';
import { openScene, plainMail, tickets, type Scene } from './scene.ts';
import { idleDay, pausedWeek } from './skipped-days.ts';

const WITHIN_MS = 300_000;
/** Business minutes and days so short that a whole life passes while one looks on. */
const SHORT_LIFE = { auto_close_hours: 3 / 3600, reopen_window_days: 3 / 86_400 };
const POLICY = {
  name: 'Standard',
  targets: { normal: { first_response_minutes: 60, resolution_minutes: 600 } },
};

export const history: Benchmark = {
  name: 'history',
  about: 'history events and billed actions of a ticket, a delivery, an idle mailbox, a pause',
  async run({ say }: BenchmarkOptions): Promise<Figure[]> {
    const measured: Figure[] = [];
    const note = (name: string, cost: Cost, atMost: number) => {
      say(`${name}: ${cost.events} events, ${cost.actions} actions`);
      measured.push(
        { name: `${name}, events`, value: cost.events, unit: 'events', target: { atMost } },
        { name: `${name}, actions`, value: cost.actions, unit: 'actions' },
      );
    };
    const scene = await openScene();
    const sink = await httpSink();
    try {
      note('ticket: mail in, a reply, resolved in time, closed', await ticketLife(scene), 40);
      note('delivery at once', await delivery(scene, sink, 0), 7);
      note('delivery after 3 failures', await delivery(scene, sink, 3), 13);
    } finally {
      await scene.close();
      await sink.close();
    }
    note('idle mailbox, a day of IDLE or of polling', await idleDay('waits'), 100);
    note('idle door, a day', await idleDay('sweeps'), 100);
    note('paused ticket, a week', await pausedWeek(), 0);
    return measured;
  },
};

async function ticketLife(scene: Scene): Promise<Cost> {
  await changeTenantSettings(scene.stage.deps.db, scene.tenant.id, SHORT_LIFE);
  await scene.call('POST', '/v1/sla-policies', POLICY);
  const id = await ticketOf(scene, 'A whole life');
  await scene.call('POST', `/v1/tickets/${id}/messages`, { text: 'Is it plugged in?' });
  await scene.sink.waitFor(1, WITHIN_MS);
  await sleep(1000);
  await scene.call('PATCH', `/v1/tickets/${id}`, { status: 'resolved' });
  const workflow = scene.stage.deps.client.workflow.getHandle(
    ticketWorkflowId({ tenantId: scene.tenant.id, ticketId: id }),
  );
  await workflow.result();
  return costOf(workflow);
}

/** One event's, to an endpoint that fails so many times first. */
async function delivery(scene: Scene, sink: HttpSink, failures: number): Promise<Cost> {
  const { call, server, user, stage } = scene;
  const before = sink.requests.length;
  const endpoint = await call<{ id: string }>('POST', '/v1/webhook-endpoints', {
    url: `${sink.url}/hook`,
    events: ['ticket.created'],
    max_retries: 5,
    delivery_mode: 'workflow',
  });
  sink.answerNext(...Array.from({ length: failures }, () => ({ status: 503 })));
  server.deliver(user.username, plainMail(`Delivered after ${failures}`));
  const requests = await sink.waitFor(before + failures + 1, WITHIN_MS);
  const { id: eventId } = JSON.parse(requests.at(-1)!.body.toString()) as { id: string };
  const workflow = stage.deps.client.workflow.getHandle(
    webhookDeliveryWorkflowId({
      tenantId: scene.tenant.id,
      eventId,
      endpointId: endpoint.id,
    }),
  );
  await workflow.result();
  await call('PATCH', `/v1/webhook-endpoints/${endpoint.id}`, { is_active: false });
  return costOf(workflow);
}

async function ticketOf(scene: Scene, subject: string): Promise<string> {
  scene.server.deliver(scene.user.username, plainMail(subject));
  for (const deadline = Date.now() + WITHIN_MS; Date.now() < deadline; await sleep(50)) {
    const found = (await tickets(scene, 5)).find((ticket) => ticket.subject === subject);
    if (found) return found.id;
  }
  throw new Error(`"${subject}" became no ticket.`);
}
