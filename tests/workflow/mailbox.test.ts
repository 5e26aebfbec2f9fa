import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { Client, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { workflowBundle } from '../../workers/temporal/bundle.ts';
import type {
  MailboxPlan,
  MailboxStateReport,
} from '../../workflows/contracts/mailbox-activities.ts';
import {
  CHANGED_SIGNAL,
  mailboxWorkflowType,
  NUDGE_SIGNAL,
  type MailboxInput,
} from '../../workflows/contracts/mailbox.ts';
import { providerQueue, QUEUE } from '../../workflows/contracts/queues.ts';
import { timeSkipping } from '../harness/index.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

// The waits and syncs here are stand-ins that let virtual time pass; tests/integration/mailbox.test.ts has the real ones.

let env: TestWorkflowEnvironment;
let client: Client;

beforeAll(async () => {
  env = await timeSkipping();
  client = new Client({ connection: env.connection });
  await registerSearchAttributes(client, 'default');
});

afterAll(() => env.teardown());

interface World {
  plan: MailboxPlan;
  syncs: number;
  readonly reports: MailboxStateReport[];
  sync: () => Promise<{ received: number }>;
  /** How many waits end without mail, each after its six hours; the next lasts until the story is over. */
  waits: number;
  over: () => void;
  readonly untilOver: Promise<void>;
}

const IMAP: MailboxPlan = {
  desired: 'running',
  provider: 'imap',
  isRead: true,
  canWait: true,
  sweepSeconds: 300,
};
const DOOR: MailboxPlan = {
  desired: 'running',
  provider: 'smtp',
  isRead: false,
  canWait: false,
  sweepSeconds: 6 * 3600,
};

function world(plan: MailboxPlan): World {
  let over = () => {};
  const untilOver = new Promise<void>((resolve) => (over = resolve));
  return {
    plan,
    syncs: 0,
    reports: [],
    sync: () => Promise.resolve({ received: 0 }),
    waits: 0,
    over,
    untilOver,
  };
}

let runs = 0;

async function withMailbox(
  given: World,
  story: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  runs += 1;
  const prefix = `run${runs}-`;
  const common = { connection: env.nativeConnection, namespace: 'default' };
  const { code } = await workflowBundle();
  const workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: prefix + QUEUE.mailboxes,
      workflowBundle: { code },
      activities: {
        loadMailbox: () => Promise.resolve(given.plan),
        recordMailboxState: (_: unknown, report: MailboxStateReport) =>
          void given.reports.push(report),
      },
    }),
    Worker.create({
      ...common,
      taskQueue: prefix + providerQueue(given.plan.provider),
      activities: {
        syncMailbox: () => {
          given.syncs += 1;
          return given.sync();
        },
      },
    }),
    Worker.create({
      ...common,
      taskQueue: prefix + QUEUE.waits,
      activities: {
        waitForMail: async () => {
          if (given.waits-- <= 0) await given.untilOver;
          return 'timeout';
        },
      },
    }),
  ]);
  const polling = workers.map((worker) => worker.run());
  const input: MailboxInput = {
    tenantId: 'tnt_1',
    channelId: `chn_${runs}`,
    provider: given.plan.provider,
  };
  const handle = await client.workflow.start(mailboxWorkflowType, {
    workflowId: `mailbox/tnt_1/chn_${runs}`,
    taskQueue: prefix + QUEUE.mailboxes,
    args: [input],
  });
  try {
    await story(handle);
    given.plan = { ...given.plan, desired: 'stopped' };
    // The time-skipping server lets no time pass after a workflow that left an activity running.
    given.over();
    await handle.signal(CHANGED_SIGNAL);
    await handle.result();
  } finally {
    given.over();
    for (const worker of workers) worker.shutdown();
    await Promise.all(polling);
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error('It did not come about in time.');
  }
}

const length = async (handle: WorkflowHandle) => (await handle.describe()).historyLength;

/** Its length, once it has stayed the same for a while. */
async function settled(handle: WorkflowHandle): Promise<number> {
  for (let before = -1; ; await sleep(1_000)) {
    const now = await length(handle);
    if (now === before) return now;
    before = now;
  }
}

describe('a day of a mailbox where nothing happens', () => {
  test('costs under 100 events where the server is waited on', async () => {
    const given = world(IMAP);
    given.waits = 4;
    await withMailbox(given, async (handle) => {
      await until(() => given.syncs === 5);
      expect(await length(handle)).toBeLessThanOrEqual(100);
    });
  }, 180_000);

  test('costs under 100 events where it is a door', async () => {
    await withMailbox(world(DOOR), async (handle) => {
      await env.sleep('24 hours');
      expect(await length(handle)).toBeLessThanOrEqual(100);
    });
  }, 180_000);

  test('costs nothing while it is paused', async () => {
    await withMailbox(world({ ...DOOR, desired: 'paused' }), async (handle) => {
      await env.sleep('10 minutes');
      const before = await settled(handle);
      await env.sleep('7 days');
      expect(await length(handle)).toBe(before);
    });
  }, 180_000);
});

test('fifty nudges during one sync make one more', async () => {
  const given = world(DOOR);
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  given.sync = async () => {
    await held;
    return { received: 0 };
  };
  await withMailbox(given, async (handle) => {
    await until(() => given.syncs === 1);
    for (let n = 0; n < 50; n += 1) await handle.signal(NUDGE_SIGNAL);
    release();
    await until(() => given.syncs > 1);
    await settled(handle);
    await env.sleep('1 minute');
    expect(given.syncs).toBe(2);
  });
}, 180_000);

describe('a sync that fails', () => {
  const failing = (failureClass: string) => () =>
    Promise.reject(
      ApplicationFailure.create({
        type: 'imap.trouble',
        message: 'The server is away.',
        nonRetryable: true,
        details: [{ class: failureClass }],
      }),
    );

  test('backs off ever longer, up to a quarter of an hour, and then watches again', async () => {
    const given = world(IMAP);
    given.sync = failing('retry');
    await withMailbox(given, async (handle) => {
      await env.sleep('2 hours');
      const backOffs = given.reports.filter((report) => report.state === 'backing_off');
      expect(backOffs[0]).toMatchObject({
        detail: 'The server is away.',
        error: { type: 'imap.trouble' },
      });
      // 15 s, 30 s … 480 s, then every 900 s.
      expect(backOffs.length).toBeGreaterThanOrEqual(12);
      expect(backOffs.length).toBeLessThanOrEqual(15);
      given.sync = () => Promise.resolve({ received: 0 });
      await handle.signal(NUDGE_SIGNAL);
      await until(() => given.reports.at(-1)?.state === 'watching');
    });
  }, 180_000);

  test('for refused credentials waits for an admin, and a nudge tries at once', async () => {
    const given = world(IMAP);
    given.sync = failing('reauthenticate');
    await withMailbox(given, async (handle) => {
      await until(() => given.reports.at(-1)?.state === 'needs_attention');
      await settled(handle);
      await env.sleep('10 minutes');
      expect(given.syncs).toBe(1);
      await handle.signal(NUDGE_SIGNAL);
      await until(() => given.syncs > 1);
      await settled(handle);
      await env.sleep('1 minute');
      expect(given.syncs).toBe(2);
    });
  }, 180_000);
});
