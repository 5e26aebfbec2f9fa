import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { GmailSimulator, SimulatedAccount } from '../../../../simulators/gmail/simulator.ts';
import { createGmailSimulator } from '../../../../simulators/gmail/simulator.ts';
import { eventually } from '../../../harness/index.ts';
import { connectAccount } from '../faults/consenting.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';

jest.setTimeout(240_000);
const TOPIC = 'projects/simulated/topics/gmail';
const SERVICE_ACCOUNT = 'push@simulated.iam.gserviceaccount.com';

let product: Product;
let simulator: GmailSimulator;
let account: SimulatedAccount;
let channel: FaultChannel;

beforeAll(async () => {
  // One after the other: a simulator may be given the very port that the API is about to take.
  product = await startProduct();
  simulator = await createGmailSimulator();
  account = await simulator.account('support@gmail.test');
  channel = await product.channel('gmail', {
    ...simulator.settingsOf(account),
    pubsub_topic: TOPIC,
    push_service_account: SERVICE_ACCOUNT,
    // Nothing is found by looking while the test runs.
    poll_seconds: 86_400,
  });
});
afterAll(async () => {
  expect(simulator.violations).toEqual([]);
  await product.stop();
  await simulator.close();
});

const mail = (n: number) =>
  `From: Ada <ada@x.test>\r\nTo: support@gmail.test\r\nMessage-ID: <${n}@x.test>\r\nSubject: mail-${n}\r\n\r\nHello ${n}\r\n`;

it('takes in what Gmail pushes through the shared door, once, and refuses other signatures', async () => {
  const door = channel.doorUrl!;
  expect(door).toMatch(/\/ingress\/gmail$/);
  simulator.pubsub.subscribe({ topic: TOPIC, endpoint: door, audience: door, serviceAccount: SERVICE_ACCOUNT }); // prettier-ignore
  await eventually(() => expect(account.watch).toMatchObject({ topic: TOPIC }), 90_000);
  account.mailbox.deliver(mail(1));
  await eventually(async () => expect(await channel.received()).toEqual(['1@x.test']), 90_000);

  const [push] = simulator.pubsub.pushes;
  await eventually(() => expect(push!.statuses.at(-1)).toBe(200));
  expect(await simulator.pubsub.deliver(push!)).toBe(200);
  const notification = { emailAddress: 'support@gmail.test', historyId: '1' };
  const subscription = { endpoint: door, audience: door, serviceAccount: SERVICE_ACCOUNT };
  const other = await simulator.pubsub.pushFor(subscription, notification, { email: 'x@y.test' });
  expect(await simulator.pubsub.deliver(other)).toBe(401);
  expect(await channel.received()).toEqual(['1@x.test']);
  await eventually(async () =>
    expect(await channel.status()).toMatchObject({
      state: 'watching',
      watch_expires_at: expect.any(String),
    }),
  );
});

it('sends the answer by Gmail, in the thread of the question', async () => {
  const { data } = await product.call('GET', `/v1/messages?account_id=${channel.id}`);
  const [question] = data as { id: string; provider_message_id: string }[];
  await product.call('POST', `/v1/messages/${question!.id}/reply`, { text: 'It is 42.' });
  await eventually(() => expect(account.mailbox.sent).toHaveLength(1), 90_000);
  const sent = account.mailbox.messages.find(({ labels }) => labels.has('SENT'))!;
  expect(sent.threadId).toBe(account.mailbox.find(question!.provider_message_id)!.threadId);
  expect(String(sent.raw)).toMatch(/^In-Reply-To: <1@x.test>\r$/m);
});

it('42: stops with its reason where the consent is revoked', async () => {
  await simulator.consent.revoke('support@gmail.test');
  await channel.sync().catch(() => undefined);
  await eventually(
    async () =>
      expect(await channel.status()).toMatchObject({
        state: 'needs_attention',
        last_error: { detail: expect.stringContaining('connect the account again') },
      }),
    60_000,
  );
});

it('42: goes on where it was once the account is connected again', async () => {
  account.mailbox.deliver(mail(2));
  await connectAccount(product, channel);
  await eventually(async () => expect(await channel.received()).toContain('2@x.test'), 90_000);
  // A look that was under way with the former consent may still tell what became of it.
  await eventually(
    async () => expect(await channel.status()).toMatchObject({ state: 'watching' }),
    90_000,
  );
});
