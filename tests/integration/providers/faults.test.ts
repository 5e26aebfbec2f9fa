import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { providers } from '../../../providers/registry.ts';
import { describeWith, eventually } from '../../harness/index.ts';
import { pushLine, type PushLine } from './faults/push-line.ts';
import { startProduct, type FaultChannel, type Product } from './faults/product.ts';
import type { FaultWorld } from './faults/world.ts';
import { worlds } from './faults/worlds.ts';

// Each vendor failing a fifth of all calls, in all its ways: what reached it becomes as many messages, none twice.

const MAILS = Number(process.env.POSTROOM_FAULT_MAILS ?? 60);
const RATE = 0.2;
const AT_ONCE = 8;
/** Longer than any push takes. */
const TOLD_WITHIN_MS = 5_000;
const WITHIN_MS = 120_000 + MAILS * 1_000;
jest.setTimeout(WITHIN_MS + 60_000);

let product: Product;
let pushes: PushLine;
beforeAll(async () => {
  product = await startProduct({
    async publicUrl(apiUrl) {
      const line = await pushLine(apiUrl, isPush);
      pushes = line;
      return line.url;
    },
  });
});
afterAll(async () => {
  await product.stop();
  await pushes.close();
});

/** Gmail's and Graph's, but for the handshake that a subscription begins with. */
const isPush = ({ method, url = '' }: { method?: string; url?: string }) =>
  method === 'POST' &&
  /^\/ingress\/(gmail|microsoft365)\b/.test(url) &&
  !url.includes('validationToken');

const messageId = (n: number) => `case-${n}@customers.test`;
const mail = (n: number) =>
  Buffer.from(
    [
      `From: =?utf-8?q?Ad=C3=A4_${n}?= <ada${n}@customers.test>`,
      'To: support@example.test',
      `Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe_${n}?=`,
      `Message-ID: <${messageId(n)}>`,
      `Date: ${new Date(Date.UTC(2026, 10, 20, 10, 0, n)).toUTCString().replace('GMT', '+0000')}`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      '',
      `Grüße ${n}`,
      'x'.repeat(500),
      '',
    ].join('\r\n'),
  );

/** Nobody's outside: what comes in here is called by whoever likes. */
const OWN_DOORS = ['smtp', 'mime'];

it('is there for every provider', () => {
  const names = providers.map(({ manifest }) => manifest.name);
  const wanted = names.filter((name) => !OWN_DOORS.includes(name));
  expect(new Set(Object.keys(worlds))).toEqual(new Set(wanted));
});

for (const [provider, { needs, open }] of Object.entries(worlds)) {
  const suite = needs
    ? (name: string, tests: () => void) => describeWith(needs, name, tests)
    : describe;
  suite(`${provider}, failing a fifth of all calls`, () => {
    it(`brings ${MAILS} mails as exactly ${MAILS} messages`, async () => {
      const world = await open();
      try {
        const numbers = Array.from({ length: MAILS }, (_, n) => n);
        const [before, while_] = world.hasDoor
          ? [[], numbers]
          : [numbers.slice(0, MAILS >> 1), numbers.slice(MAILS >> 1)];
        for (const n of before) await world.deliver(mail(n));
        const channel = await product.channel(provider, world.settings);
        if (world.hasPushes) await untilPushed(world, channel);
        const pushedBefore = { ...pushes.happened };
        world.fail(RATE);
        pushes.fail(RATE);
        if (world.hasDoor) await world.connect(channel.doorUrl!);
        if (world.hasPushes) await tellOfEach(world, while_);
        else
          await Promise.all(
            Array.from({ length: AT_ONCE }, async (_, lane) => {
              for (const n of while_.filter((one) => one % AT_ONCE === lane))
                await world.deliver(mail(n));
            }),
          );
        await untilReceived(channel, MAILS);
        expect(world.failed()).toBeGreaterThan(1);
        if (world.hasPushes)
          for (const what of ['dropped', 'twice', 'late', 'unheard', 'passed'] as const)
            expect(pushes.happened[what]).toBeGreaterThan(pushedBefore[what]);
        if (world.files) await untilFetched(channel, world.files);

        world.fail(0);
        pushes.fail(0);
        await channel.sync();
        await sleep(1_000);
        await eventually(async () => {
          const states = Object.keys(await channel.sources());
          expect(states.filter((state) => state !== 'duplicate')).toEqual(['ingested']);
        }, 90_000);
        const received = await channel.received();
        expect(received).toHaveLength(MAILS);
        expect(new Set(received)).toEqual(new Set(numbers.map(messageId)));
        expect(world.violations).toEqual([]);
        await channel.remove();
      } finally {
        await world.close();
      }
    });
  });
}

/** Until the vendor tells the channel's door of mail. */
async function untilPushed(world: FaultWorld, channel: FaultChannel): Promise<void> {
  await world.connect(channel.doorUrl!);
  await eventually(
    async () => expect((await channel.status()).watch_expires_at).not.toBeNull(),
    90_000,
  );
}

/** Each mail once the vendor has told of the one before: of what comes at once, Graph tells in one call. */
async function tellOfEach(world: FaultWorld, numbers: readonly number[]): Promise<void> {
  const told = () => Object.values(pushes.happened).reduce((sum, count) => sum + count, 0);
  for (const n of numbers) {
    const before = told();
    await world.deliver(mail(n));
    for (const last = Date.now() + TOLD_WITHIN_MS; told() === before && Date.now() < last;)
      await sleep(10);
  }
}

/** The vendor fails at the fetching of files, too. */
async function untilFetched(channel: FaultChannel, wanted: ReadonlySet<string>): Promise<void> {
  for (const deadline = Date.now() + WITHIN_MS; ; await sleep(500)) {
    const files = await channel.files();
    if ([...wanted].every((file) => files.includes(file))) return;
    const late = await channel.hastenFiles();
    if (Date.now() > deadline)
      throw new Error(
        `${new Set(files).size} of ${wanted.size} files came in time; late: ${late.join(', ')}`,
      );
    await channel.sync();
  }
}

/** Nudges it all the while, so that no back-off is waited out. */
async function untilReceived(channel: FaultChannel, count: number): Promise<void> {
  for (const deadline = Date.now() + WITHIN_MS; ; await sleep(500)) {
    const { length } = await channel.received();
    if (length >= count) return;
    if (Date.now() > deadline) {
      const { state, last_error } = await channel.status();
      throw new Error(
        `${length} of ${count} came in time; sources: ${JSON.stringify(await channel.sources())}; ` +
          `the channel is ${state}: ${last_error?.detail ?? ''}`,
      );
    }
    await channel.sync();
  }
}
