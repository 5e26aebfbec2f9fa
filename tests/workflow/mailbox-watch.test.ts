import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { deleteChannel, wantState } from '../../db/queries/channel-changes.ts';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { eventually, timeSkipping } from '../harness/index.ts';
import { PushingVendor, startMailbox, type WatchFixture } from './watch-fixture.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

// The time-skipping server refuses a workflow task that cancels an activity which ended meanwhile, and never gives it again.
jest.retryTimes(2, { logErrorsBeforeRetry: true });
/** No attempt begins later; with the longest limit the file is over within ten minutes. */
const LAST_START_MS = 420_000;
const LONG_LIMIT_MS = 150_000;
const LIMIT_MS = 100_000;
const begun = Date.now();

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PATIENCE_MS = 45_000;

let env: TestWorkflowEnvironment;
// Each test has a server of its own: one whose client is used for minutes turns it away for its keep-alive pings, and
// time waits for ever on what a test that failed left running.
beforeEach(async () => {
  if (Date.now() - begun > LAST_START_MS) throw new Error('The time for this file is used up.');
  env = await timeSkipping();
  await registerSearchAttributes(new Client({ connection: env.connection }), 'default');
});
afterEach(() => env.teardown());

const vendorWith = (lifeMs = 7 * DAY_MS) => new PushingVendor(() => env.currentTimeMs(), lifeMs);

/** Runs a story and ends the workflow: the server lets no time pass after one that left an activity running. */
async function withMailbox(
  vendor: PushingVendor,
  story: (mailbox: WatchFixture) => Promise<void>,
  settings?: Record<string, unknown>,
): Promise<void> {
  const mailbox = await startMailbox(env, vendor, settings);
  try {
    await story(mailbox);
  } finally {
    vendor.releaseTrouble = 'none';
    await stopChannel(mailbox).catch(() => undefined); // it may have ended by itself
    await mailbox.handle.result();
    await mailbox.stop();
  }
}

const TOLD = { state: 'watching', detail: 'Waiting for mail; the vendor tells of it.' };

/** Has a watch, and sleeps until a push or the next sweep. */
const isWatched = (vendor: PushingVendor, { channel, isAsleep }: WatchFixture) =>
  eventually(async () => {
    expect(vendor.renewals.length).toBeGreaterThan(0);
    expect(await isAsleep()).toBe(true);
    expect(await channel()).toMatchObject(TOLD);
  }, PATIENCE_MS);

/** Skips the time until the next sweep is due, or so much less. */
async function untilSweep({ channel }: WatchFixture, lessMs = 0): Promise<void> {
  const next = (await channel()).next_sweep_at!.getTime();
  await env.sleep(next - (await env.currentTimeMs()) - lessMs);
}

async function stopChannel({ deps, tenantId, channelId, changed }: WatchFixture): Promise<void> {
  await wantState(deps.db, tenantId, channelId, 'stopped');
  await changed();
}

describe.each([
  ['seven days, as Gmail’s', 7 * DAY_MS, 9, 18],
  ['under three, as Graph’s', 4230 * 60_000, 22, 37],
])('a watch that lasts %s', (_title, lifeMs, fewest, most) => {
  test(
    'never lapses in sixty days, with workers that know nothing and answers lost',
    async () => {
      const vendor = vendorWith(lifeMs);
      await withMailbox(vendor, async (mailbox) => {
        await isWatched(vendor, mailbox);
        for (let day = 1; day <= 60; day += 1) {
          await vendor.deliver();
          await mailbox.nudge({ push: true });
          await env.sleep('1 day');
          expect(vendor.expiresAt).toBeGreaterThan(await env.currentTimeMs());
          if (day % 7 === 0) await mailbox.forget();
          if (day % 11 === 0) vendor.trouble = 'lost answer';
        }
        expect(vendor.lapses).toBe(0);
        expect(vendor.renewals.length).toBeGreaterThanOrEqual(fewest);
        expect(vendor.renewals.length).toBeLessThanOrEqual(most);
        await eventually(
          async () => expect(await mailbox.messages()).toHaveLength(60),
          PATIENCE_MS,
        );
        expect((await mailbox.channel()).watch_expires_at!.getTime()).toBe(vendor.expiresAt);
        // Between a fifth and a third of its life is left at each renewal but those after a lost answer.
        const lives = vendor.renewals.slice(1).map((at, n) => at - vendor.renewals[n]!);
        const usual = lives.filter((ms) => ms > HOUR_MS);
        expect(Math.max(...usual)).toBeLessThan(0.81 * lifeMs);
        expect(Math.min(...usual)).toBeGreaterThan(0.69 * lifeMs);
      });
    },
    LONG_LIMIT_MS,
  );
});

test(
  'an idle day with push costs under a hundred events',
  async () => {
    const vendor = vendorWith();
    await withMailbox(vendor, async (mailbox) => {
      await isWatched(vendor, mailbox);
      const before = await mailbox.events();
      await env.sleep('1 day');
      const cost = (await mailbox.events()) - before;
      expect(cost).toBeGreaterThan(20);
      expect(cost).toBeLessThan(100);
    });
  },
  LIMIT_MS,
);

test(
  'a renewal that fails leaves the mailbox looking for mail by itself, and says so',
  async () => {
    const vendor = vendorWith();
    vendor.trouble = 'away';
    await withMailbox(vendor, async (mailbox) => {
      await eventually(async () => {
        const { state, detail } = await mailbox.channel();
        expect([state, detail]).toEqual([
          'watching',
          expect.stringMatching(/push could not be set up\. The vendor does not answer/),
        ]);
      }, PATIENCE_MS);
      await vendor.deliver();
      await eventually(async () => expect(await mailbox.messages()).toEqual(['m1']), PATIENCE_MS);
      vendor.trouble = 'none';
      await mailbox.nudge({ push: true, renew: true });
      await isWatched(vendor, mailbox);
    });
  },
  LIMIT_MS,
);

test(
  'the vendor’s word that its subscription is gone has it made anew at once',
  async () => {
    const vendor = vendorWith();
    await withMailbox(vendor, async (mailbox) => {
      await isWatched(vendor, mailbox);
      const { length } = vendor.renewals;
      await mailbox.nudge({ push: true, renew: true });
      await eventually(() => expect(vendor.renewals).toHaveLength(length + 1), PATIENCE_MS);
      await isWatched(vendor, mailbox); // and no sync is under way that would be cancelled
    });
  },
  LIMIT_MS,
);

test(
  'mail that a sweep finds and push did not tell of shows that push is silent, until it speaks',
  async () => {
    const vendor = vendorWith();
    await withMailbox(vendor, async (mailbox) => {
      await isWatched(vendor, mailbox);
      await env.sleep('1 hour');
      await vendor.deliver();
      // Not beyond it: from then on mail is looked for, and while an activity runs no time is skipped.
      await untilSweep(mailbox);
      await eventually(async () => {
        expect((await mailbox.channel()).detail).toMatch(/push is silent/);
        expect(await mailbox.messages()).toEqual(['m1']);
      }, PATIENCE_MS);
      await vendor.deliver();
      await eventually(async () => expect(await mailbox.messages()).toHaveLength(2), PATIENCE_MS);
      await mailbox.nudge({ push: true });
      await eventually(
        async () => expect(await mailbox.channel()).toMatchObject(TOLD),
        PATIENCE_MS,
      );
    });
  },
  LIMIT_MS,
);

test(
  'mail that came just before the sweep is no sign of silence',
  async () => {
    const vendor = vendorWith();
    await withMailbox(vendor, async (mailbox) => {
      await isWatched(vendor, mailbox);
      await untilSweep(mailbox, 2 * 60_000);
      await vendor.deliver();
      await untilSweep(mailbox);
      await eventually(async () => expect(await mailbox.messages()).toEqual(['m1']), PATIENCE_MS);
      expect((await mailbox.channel()).detail).not.toMatch(/silent/);
    });
  },
  LIMIT_MS,
);

test(
  'where the settings want no push, mail is looked for, and nothing is renewed',
  async () => {
    const vendor = vendorWith();
    const story = async (mailbox: WatchFixture) => {
      await eventually(async () => {
        expect(await mailbox.channel()).toMatchObject({ detail: 'Waiting for mail.' });
      }, PATIENCE_MS);
      await vendor.deliver();
      await eventually(async () => expect(await mailbox.messages()).toEqual(['m1']), PATIENCE_MS);
      expect(vendor.renewals).toEqual([]);
    };
    await withMailbox(vendor, story, { watch_enabled: false });
  },
  LIMIT_MS,
);

describe('the subscription is ended at the vendor', () => {
  test(
    'when the channel stops',
    async () => {
      const vendor = vendorWith();
      await withMailbox(vendor, async (mailbox) => {
        await isWatched(vendor, mailbox);
        await stopChannel(mailbox);
        await mailbox.handle.result();
        expect(vendor.released).toBe(1);
        expect(await mailbox.channel()).toMatchObject({ watch: null, watch_expires_at: null });
        expect((await mailbox.channel()).secrets).not.toBeNull();
      });
    },
    LIMIT_MS,
  );

  test(
    'when the channel is deleted, with the credentials that are forgotten then',
    async () => {
      const vendor = vendorWith();
      await withMailbox(vendor, async (mailbox) => {
        await isWatched(vendor, mailbox);
        await deleteChannel(mailbox.deps.db, mailbox.tenantId, mailbox.channelId);
        expect((await mailbox.channel()).secrets).not.toBeNull();
        await mailbox.changed();
        await mailbox.handle.result();
        expect([vendor.released, vendor.releasedWith]).toEqual([1, 's3cret']);
        expect(await mailbox.channel()).toMatchObject({ secrets: null, watch: null });
      });
    },
    LIMIT_MS,
  );

  test(
    'or given up after an hour of trouble, and then the credentials are forgotten, too',
    async () => {
      const vendor = vendorWith();
      await withMailbox(vendor, async (mailbox) => {
        await isWatched(vendor, mailbox);
        vendor.releaseTrouble = 'away';
        await deleteChannel(mailbox.deps.db, mailbox.tenantId, mailbox.channelId);
        await mailbox.changed();
        await env.sleep('90 minutes');
        await mailbox.handle.result();
        expect(vendor.released).toBe(0);
        expect(await mailbox.channel()).toMatchObject({ secrets: null, watch: null });
      });
    },
    LIMIT_MS,
  );

  test(
    'unless the channel starts again while it is tried',
    async () => {
      const vendor = vendorWith();
      await withMailbox(vendor, async (mailbox) => {
        await isWatched(vendor, mailbox);
        vendor.releaseTrouble = 'away';
        await stopChannel(mailbox);
        await eventually(() => expect(vendor.releasesTried).toBeGreaterThan(0), PATIENCE_MS);
        await wantState(mailbox.deps.db, mailbox.tenantId, mailbox.channelId, 'running');
        await mailbox.changed();
        await isWatched(vendor, mailbox);
        expect(vendor.released).toBe(0);
      });
    },
    LIMIT_MS,
  );
});
