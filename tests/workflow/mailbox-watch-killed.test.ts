import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { describeWith, eventually } from '../harness/index.ts';
import { gmail, graph, type LifecycleEvent, type Vendor } from './mailbox-watch-vendors.ts';
import { openWorld, type World } from './mailbox-watch-world.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

// POSTROOM_KILLED=all: sixty days with a kill at every kind of step (six minutes). Else some days with a kill of each kind:
// before the vendor's part, after it, in a workflow task, in the wait.

const isWhole = process.env.POSTROOM_KILLED === 'all';
const DAY_MS = 24 * 3_600_000;
const DAYS = isWhole ? 60 : 12;
const LIMIT_MS = isWhole ? 900_000 : 240_000;
const PATIENCE_MS = 60_000;
/** In the server's time: until a watch that the vendor took away is made anew, by whoever lives then. */
const MADE_ANEW_WITHIN_MS = 5 * 60_000;

interface Step {
  /** The moment at which the worker is killed; `asleep` while nothing but a timer is under way. */
  readonly kill: RegExp | 'asleep';
  /** What the vendor says of its watch that day. */
  readonly says?: LifecycleEvent;
  /** Also in the short form. */
  readonly always?: boolean;
}

const LOADING: Step = { kill: /^loadMailbox begins/ };
/** With any vendor. Local activities are parts of a workflow task. */
const STEPS: readonly Step[] = [
  { kill: /^recordMailboxState begins/, always: true },
  { kill: 'asleep', always: true },
  { kill: /^syncMailbox ends/, always: true },
  { kill: /^recordMailboxState ends/ },
  { kill: /^syncMailbox begins/ },
  { kill: /^renewWatch begins/ },
  { kill: /^renewWatch ends/ },
];
const GMAIL: readonly Step[] = [
  { kill: /^POST .*\/watch done/, always: true },
  ...STEPS,
  { kill: /^POST .*\/watch asked/ },
  { kill: /^GET .*\/history done/ },
  { kill: /^GET .*\/messages\/\w+ done/ },
];
const GRAPH: readonly Step[] = [
  { kill: /^PATCH .*\/subscriptions\/.* asked/, always: true },
  ...STEPS,
  { kill: /^POST .*\/subscriptions done/, says: 'subscriptionRemoved', always: true },
  { kill: /^POST .*\/subscriptions asked/, says: 'subscriptionRemoved' },
  { kill: /^PATCH .*\/subscriptions\/.* done/, says: 'reauthorizationRequired' },
  { kill: /^renewWatch ends/, says: 'subscriptionRemoved' },
  { kill: /^GET .*\/delta done/, says: 'missed' },
  { kill: /^GET .*\/\$value done/ },
];

let vendor: Vendor;
let world: World;
/** What the vendor's own state showed at each moment. */
let seen: { until: number; goneAt: number; lapses: string[]; mostLive: number };

beforeEach(() => {
  seen = { until: 0, goneAt: 0, lapses: [], mostLive: 0 };
});
afterEach(async () => {
  await world.close();
  await vendor.close();
});

describeWith('time-skipping', `${DAYS} days with workers that are killed`, () => {
  test.each([
    ['gmail', gmail, GMAIL],
    ['microsoft365', graph, GRAPH],
  ] as const)(
    '%s: the watch never lapses, none is left behind, no mail is lost or doubled',
    async (provider, open, steps) => {
      vendor = await open();
      world = await openWorld([provider]);
      const channelId = await channelOf(provider);
      await live(
        channelId,
        steps.filter(({ always }) => always || isWhole),
      );
      expect(vendor.violations).toEqual([]);
    },
    LIMIT_MS,
  );
});

async function channelOf(provider: string): Promise<string> {
  const { overseer } = world;
  overseer.witness = lookAtVendor;
  const base_url = await overseer.frontOf(vendor.url);
  const { id, doorUrl } = await world.makeChannel({
    provider,
    name: 'Support',
    address: 'support@example.test',
    settings: { ...vendor.settings, base_url },
  });
  vendor.subscribe(doorUrl);
  return id;
}

async function live(id: string, steps: readonly Step[]): Promise<void> {
  const { overseer } = world;
  const isAt = (state: object) =>
    eventually(async () => expect(await world.channel(id)).toMatchObject(state), PATIENCE_MS);
  if (isWhole) overseer.killAt(LOADING.kill as RegExp);
  await world.startWorker();
  await isAt({ state: 'watching', detail: 'Waiting for mail; the vendor tells of it.' });

  const begun = await world.follow();
  const left = [...steps];
  const mails: string[] = [];
  const deliver = async () => {
    mails.push(`${mails.length + 1}@x.test`);
    await vendor.deliver(
      `From: Ada <ada@x.test>\r\nMessage-ID: <${mails.at(-1)}>\r\nSubject: ${mails.length}\r\n\r\nHello\r\n`,
    );
  };
  for (let day = 1; day <= DAYS; day += 1) {
    const next = overseer.isArmed ? undefined : left.shift();
    if (next?.kill === 'asleep') overseer.killNow('asleep');
    else if (next) overseer.killAt(next.kill);
    if (next?.says) {
      await vendor.says(next.says);
      if (next.says === 'subscriptionRemoved') seen.goneAt = Date.now();
    }
    await deliver();
    await eventually(async () => expect(await world.isTold()).toBe(true), PATIENCE_MS);
    await world.passUntil(begun + day * DAY_MS);
    expect([day, vendor.live(), seen.goneAt]).toEqual([day, 1, 0]);
  }

  expect([left, overseer.isArmed]).toEqual([[], false]);
  if (overseer.processes !== overseer.kills.length + 1)
    throw new Error(`A worker ended by itself:\n${overseer.log.slice(-5_000)}`);
  expect(seen.lapses).toEqual([]);
  // One whose answer nobody heard may stand beside the next for a moment, and is ended by whoever makes that.
  expect(seen.mostLive).toBeLessThanOrEqual(2);
  await eventually(async () => {
    const received = await world.messages(id);
    expect(received).toHaveLength(mails.length);
    expect(new Set(received)).toEqual(new Set(mails));
  }, PATIENCE_MS);
  await world.call('DELETE', `/v1/channels/${id}`);
  await eventually(async () => {
    expect((await world.handleOf(id).describe()).status.name).toBe('COMPLETED');
  }, PATIENCE_MS);
  expect(vendor.live()).toBe(0);
}

function lookAtVendor(): void {
  const now = Date.now();
  const until = vendor.until();
  const live = vendor.live();
  seen.mostLive = Math.max(seen.mostLive, live);
  if (seen.goneAt > 0) {
    if (now > seen.goneAt + MADE_ANEW_WITHIN_MS)
      seen.lapses.push(`gone until ${new Date(now).toISOString()}`);
    if (live > 0) seen.goneAt = 0;
  } else if (seen.until > 0 && now > seen.until)
    seen.lapses.push(`it ended ${new Date(seen.until).toISOString()}`);
  seen.until = until;
}
