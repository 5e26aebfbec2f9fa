import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { timeSkipping } from '../tests/harness/temporal.ts';
import { withParts } from '../tests/harness/with-parts.ts';
import { startTickets } from '../tests/workflow/ticket-fixture.ts';
import { workflowBundle } from '../workers/temporal/bundle.ts';
import { registerSearchAttributes } from '../workers/temporal/connection.ts';
import type { MailboxPlan } from '../workflows/contracts/mailbox-activities.ts';
import { CHANGED_SIGNAL, mailboxWorkflowType } from '../workflows/contracts/mailbox.ts';
import { providerQueue, QUEUE } from '../workflows/contracts/queues.ts';
import { costOf, type Cost } from './history-cost.ts';

const HOUR_SECONDS = 3600;
/** Of six hours each; IDLE or polls go on inside of one. */
const WAITS_A_DAY = 4;
const QUEUES = 'skipped-';

/** A mailbox's day without mail, on Temporal's time-skipping server: the workflow itself, with activities that only last. */
export async function idleDay(kind: 'waits' | 'sweeps'): Promise<Cost> {
  const environment = await timeSkipping();
  try {
    const client = new Client({ connection: environment.connection });
    await registerSearchAttributes(client, 'default');
    return await withMailbox(environment, client, kind);
  } finally {
    await environment.teardown();
  }
}

async function withMailbox(
  environment: TestWorkflowEnvironment,
  client: Client,
  kind: 'waits' | 'sweeps',
): Promise<Cost> {
  const plan: { -readonly [Key in keyof MailboxPlan]: MailboxPlan[Key] } = {
    desired: 'running',
    provider: kind === 'waits' ? 'imap' : 'smtp',
    isRead: kind === 'waits',
    canWait: kind === 'waits',
    sweepSeconds: 6 * HOUR_SECONDS,
  };
  let waited = 0;
  let syncs = 0;
  let over = () => {};
  const dayIsOver = new Promise<void>((end) => (over = end));
  const worker = async (queue: string, activities: object) =>
    Worker.create({
      connection: environment.nativeConnection,
      taskQueue: QUEUES + queue,
      activities: { ...activities },
      ...(queue === QUEUE.mailboxes ? { workflowBundle: await workflowBundle() } : {}),
    });
  const workers = [
    await worker(QUEUE.mailboxes, {
      loadMailbox: () => Promise.resolve(plan),
      recordMailboxState: () => Promise.resolve(),
    }),
    await worker(providerQueue(plan.provider), {
      syncMailbox: () => {
        syncs += 1;
        return Promise.resolve({ received: 0 });
      },
    }),
    await worker(QUEUE.waits, {
      waitForMail: async () => {
        if (waited >= WAITS_A_DAY) await dayIsOver;
        waited += 1;
        return 'timeout';
      },
    }),
  ];
  const running = workers.map((one) => one.run());
  const workflow = await client.workflow.start(mailboxWorkflowType, {
    workflowId: `mailbox/tnt_1/chn_${kind}`,
    taskQueue: QUEUES + QUEUE.mailboxes,
    args: [{ tenantId: 'tnt_1', channelId: `chn_${kind}`, provider: plan.provider }],
  });
  try {
    if (kind === 'sweeps') await environment.sleep('1 day');
    else await until(() => syncs > WAITS_A_DAY);
    return await costOf(workflow);
  } finally {
    plan.desired = 'stopped';
    // The server lets no time pass after a workflow that left an activity running.
    over();
    await workflow.signal(CHANGED_SIGNAL);
    await workflow.result();
    for (const one of workers) one.shutdown();
    await Promise.all(running);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

/** What a week adds to a ticket that waits for its customer. */
export async function pausedWeek(): Promise<Cost> {
  let added: Cost = { events: Number.NaN, actions: Number.NaN };
  await withParts(async () => {
    const environment = await timeSkipping();
    const { nativeConnection, connection } = environment;
    const fixture = await startTickets({ nativeConnection, connection, skipsTime: true });
    try {
      const ticketId = await fixture.open(new Date(await environment.currentTimeMs()));
      await fixture.command(ticketId, 'setStatus', { status: 'pending' });
      await fixture.settle(ticketId);
      const workflow = fixture.handleOf(ticketId);
      const before = await costOf(workflow);
      await environment.sleep('7 days');
      added = difference(before, await costOf(workflow));
      await workflow.terminate();
    } finally {
      await fixture.stop();
      await environment.teardown();
    }
  });
  return added;
}

function difference(before: Cost, after: Cost): Cost {
  return { events: after.events - before.events, actions: after.actions - before.actions };
}
