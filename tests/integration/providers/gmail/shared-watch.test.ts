import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { createGmailSimulator } from '../../../../simulators/gmail/simulator.ts';
import type { GmailSimulator, SimulatedAccount } from '../../../../simulators/gmail/simulator.ts';
import { eventually } from '../../../harness/index.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';

// Gmail has one watch per account and app: each call of users.watch replaces it, and users.stop ends it for all.

jest.setTimeout(240_000);
const TOPIC = 'projects/simulated/topics/gmail';
const SERVICE_ACCOUNT = 'push@simulated.iam.gserviceaccount.com';

let product: Product;
let simulator: GmailSimulator;
let account: SimulatedAccount;
let sales: string;

beforeAll(async () => {
  product = await startProduct();
  simulator = await createGmailSimulator();
  account = await simulator.account('shared@gmail.test');
  sales = account.mailbox.addLabel('Sales');
});
afterAll(async () => {
  expect(simulator.violations).toEqual([]);
  await product.stop();
  await simulator.close();
});

const channelOf = (labels: string[], more: object = {}) =>
  product.channel(
    'gmail',
    {
      ...simulator.settingsOf(account),
      pubsub_topic: TOPIC,
      push_service_account: SERVICE_ACCOUNT,
      labels,
      // Nothing is found by looking while the test runs.
      poll_seconds: 86_400,
      ...more,
    },
    `support-${labels.join('-').toLowerCase()}@example.test`,
  );

const isTold = (channel: FaultChannel) =>
  eventually(
    async () =>
      expect(await channel.status()).toMatchObject({
        state: 'watching',
        detail: 'Waiting for mail; the vendor tells of it.',
      }),
    90_000,
  );

let mails = 0;
async function arrives(at: FaultChannel, labels: string[]): Promise<void> {
  const id = `${++mails}@x.test`;
  account.mailbox.deliver(
    `From: Ada <ada@x.test>\r\nMessage-ID: <${id}>\r\nSubject: ${id}\r\n\r\nHello\r\n`,
    { labels },
  );
  await eventually(async () => expect(await at.received()).toContain(id), 90_000);
}

it('two channels of one account hear of their own labels, and go on when the other goes', async () => {
  const inbox = await channelOf(['INBOX']);
  const door = inbox.doorUrl!;
  simulator.pubsub.subscribe({ topic: TOPIC, endpoint: door, audience: door, serviceAccount: SERVICE_ACCOUNT }); // prettier-ignore
  await isTold(inbox);
  const label = await channelOf(['Sales']);
  await isTold(label);
  // The second watch took the place of the first one.
  expect(new Set(account.watch!.labelIds)).toEqual(new Set(['INBOX', sales]));
  await arrives(inbox, ['INBOX']);
  await arrives(label, [sales]);

  await inbox.remove();
  await eventually(async () => expect(await watchOf(inbox)).toBeNull(), 90_000);
  expect(account.watch).not.toBeNull();
  await arrives(label, [sales]);

  await label.remove();
  await eventually(() => expect(account.watch).toBeNull(), 90_000);
});

it('a second topic, which Gmail does not take, silences nobody, and is told', async () => {
  const first = await channelOf(['INBOX']);
  await isTold(first);
  const second = await channelOf(['Sales'], { pubsub_topic: `${TOPIC}-2` });
  await eventually(
    async () =>
      expect(await second.status()).toMatchObject({
        state: 'watching',
        detail: expect.stringMatching(/set the same "pubsub_topic"/),
      }),
    90_000,
  );
  expect(account.watch).toMatchObject({ topic: TOPIC });
  await arrives(first, ['INBOX']);
  await second.remove();
  await arrives(first, ['INBOX']);
  await first.remove();
  await eventually(() => expect(account.watch).toBeNull(), 90_000);
});

const watchOf = (channel: FaultChannel) => product.watchOf(channel.id);
