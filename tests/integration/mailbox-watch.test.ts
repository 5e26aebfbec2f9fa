import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { wantState } from '../../db/queries/channel-changes.ts';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { eventually, testTemporal } from '../harness/index.ts';
import {
  PushingVendor,
  startMailbox,
  type WatchFixture,
  type WatchServer,
} from '../workflow/watch-fixture.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

// What the time-skipping server can't do: cancel a sync that ends while the workflow is at work on a signal. And what needs
// no time skipped.

const WEEK_MS = 7 * 24 * 3_600_000;
const PATIENCE_MS = 60_000;
const TIMES = 10;
/** By so much more of time after the signal each time's sync ends: within the signal's workflow task, and after it. */
const STEP_MS = 4;

let server: Required<WatchServer>;

beforeAll(async () => {
  const { address, namespace } = await testTemporal();
  const connection = await Connection.connect({ address });
  const nativeConnection = await NativeConnection.connect({ address });
  server = { connection, nativeConnection, namespace };
  await registerSearchAttributes(new Client({ connection, namespace }), namespace);
});

afterAll(async () => {
  await server.nativeConnection.close();
  await server.connection.close();
});

const vendorNow = (lifeMs = WEEK_MS) =>
  new PushingVendor(() => Promise.resolve(Date.now()), lifeMs);

const isWatched = ({ channel, isAsleep }: WatchFixture) =>
  eventually(async () => {
    expect(await channel()).toMatchObject({
      state: 'watching',
      detail: 'Waiting for mail; the vendor tells of it.',
    });
    expect(await isAsleep()).toBe(true);
  }, PATIENCE_MS);

/** Has a sync begin that doesn't end; returns what ends it. */
async function syncInFlight(vendor: PushingVendor, mailbox: WatchFixture): Promise<() => void> {
  const end = vendor.hold();
  await mailbox.nudge({ push: true });
  await eventually(() => expect(vendor.held).toBe(1), PATIENCE_MS);
  return end;
}

/** @throws where the workflow has not ended within our patience. */
const hasEnded = ({ handle }: WatchFixture) =>
  eventually(async () => expect((await handle.describe()).status.name).toBe('COMPLETED'), 60_000);

test('a stop while a sync is in flight ends the workflow and the subscription, once', async () => {
  for (let time = 0; time < TIMES; time += 1) {
    const vendor = vendorNow();
    const mailbox = await startMailbox(server, vendor);
    try {
      await isWatched(mailbox);
      const end = await syncInFlight(vendor, mailbox);
      await wantState(mailbox.deps.db, mailbox.tenantId, mailbox.channelId, 'stopped');
      await mailbox.changed();
      await sleep(time * STEP_MS);
      end();
      await hasEnded(mailbox);
      expect(vendor.released).toBe(1);
      expect(await mailbox.channel()).toMatchObject({ watch: null, watch_expires_at: null });
    } finally {
      await mailbox.stop();
    }
  }
}, 400_000);

test('a push and a lost subscription told of while a sync is in flight: renewed, and the mail is in', async () => {
  const vendor = vendorNow();
  const mailbox = await startMailbox(server, vendor);
  try {
    await isWatched(mailbox);
    for (let time = 0; time < TIMES; time += 1) {
      const { length } = vendor.renewals;
      const end = await syncInFlight(vendor, mailbox);
      await vendor.deliver();
      await mailbox.nudge({ push: true, renew: true });
      await sleep(time * STEP_MS);
      end();
      await eventually(async () => {
        expect(vendor.renewals).toHaveLength(length + 1);
        expect(await mailbox.messages()).toHaveLength(time + 1);
      }, PATIENCE_MS);
      await isWatched(mailbox);
    }
    await wantState(mailbox.deps.db, mailbox.tenantId, mailbox.channelId, 'stopped');
    await mailbox.changed();
    await hasEnded(mailbox);
  } finally {
    await mailbox.stop();
  }
}, 400_000);

test('the vendor’s word of a lost subscription stands though an admin changes the channel', async () => {
  const vendor = vendorNow();
  const mailbox = await startMailbox(server, vendor);
  try {
    await isWatched(mailbox);
    for (let time = 1; time <= 3; time += 1) {
      const end = await syncInFlight(vendor, mailbox);
      await mailbox.nudge({ push: true, renew: true });
      await mailbox.changed();
      end();
      await eventually(() => expect(vendor.renewals).toHaveLength(time + 1), PATIENCE_MS);
      await isWatched(mailbox);
    }
  } finally {
    await wantState(mailbox.deps.db, mailbox.tenantId, mailbox.channelId, 'stopped');
    await mailbox.changed();
    await hasEnded(mailbox);
    await mailbox.stop();
  }
}, 400_000);

test('mail that came before the subscription was made anew is looked for at once', async () => {
  const vendor = vendorNow();
  const mailbox = await startMailbox(server, vendor);
  try {
    await isWatched(mailbox);
    vendor.mailAtRenewals = true;
    await mailbox.nudge({ push: true, renew: true });
    // The next sweep is hours away.
    await eventually(async () => expect(await mailbox.messages()).toEqual(['m1']), PATIENCE_MS);
    expect(vendor.renewals).toHaveLength(2);
  } finally {
    await wantState(mailbox.deps.db, mailbox.tenantId, mailbox.channelId, 'stopped');
    await mailbox.changed();
    await hasEnded(mailbox);
    await mailbox.stop();
  }
}, 300_000);

test('a subscription that has ended when it comes is not asked for again without pause', async () => {
  const vendor = vendorNow(2);
  const mailbox = await startMailbox(server, vendor);
  try {
    await eventually(() => expect(vendor.renewals).toHaveLength(1), PATIENCE_MS);
    await vendor.deliver();
    await eventually(async () => expect(await mailbox.messages()).toEqual(['m1']), PATIENCE_MS);
    await sleep(3_000);
    expect(vendor.renewals).toHaveLength(1);
  } finally {
    await wantState(mailbox.deps.db, mailbox.tenantId, mailbox.channelId, 'stopped');
    await mailbox.changed();
    await hasEnded(mailbox);
    await mailbox.stop();
  }
}, 300_000);
