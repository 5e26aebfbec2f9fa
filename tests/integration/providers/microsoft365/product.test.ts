import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { graphSimulator, type GraphSimulator } from '../../../../simulators/graph/simulator.ts';
import { eventually } from '../../../harness/index.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';
import { ADDRESS, mail } from './fixture.ts';

jest.setTimeout(240_000);

let product: Product;
let simulator: GraphSimulator;
let channel: FaultChannel;

beforeAll(async () => {
  // One after the other: a simulator may be given the very port that the API is about to take.
  product = await startProduct();
  simulator = await graphSimulator();
  simulator.mailbox(ADDRESS);
  channel = await product.channel('microsoft365', {
    ...(await simulator.delegated(ADDRESS)),
    // Nothing is found by looking while the test runs.
    poll_seconds: 86_400,
  });
});
afterAll(async () => {
  expect(simulator.violations).toEqual([]);
  await product.stop();
  await simulator.close();
});

const subscriptions = () => [...simulator.subscriptions.all.values()];
const post = async (body: unknown) =>
  (await fetch(channel.doorUrl!, { method: 'POST', body: JSON.stringify(body) })).status;

it('takes in what Graph tells of, once, and refuses what doesn’t know the secret', async () => {
  await eventually(() => expect(subscriptions()).toHaveLength(1), 60_000);
  // From here on only a notification brings mail: the sweep is hours away.
  await eventually(
    async () => expect(await channel.status()).toMatchObject({ watch_expires_at: expect.any(String) }), // prettier-ignore
    90_000,
  );
  simulator.deliver(ADDRESS, mail(1));
  await eventually(async () => expect(await channel.received()).toEqual(['1@x.test']), 60_000);
  await simulator.subscriptions.settled();
  const [notification] = simulator.subscriptions.notifications;
  expect(notification).toMatchObject({ status: 202 });

  const told = JSON.parse(notification!.body) as { value: object[] };
  expect(await post(told)).toBe(202);
  expect(await post({ value: told.value.map((one) => ({ ...one, clientState: 'forged' })) })).toBe(
    401,
  );
  await channel.sync();
  expect(await channel.received()).toEqual(['1@x.test']);
});

it('answers out of the same mailbox, with the thread kept', async () => {
  const { data } = (await product.call('GET', '/v1/tickets')) as { data: { id: string }[] };
  await product.call('POST', `/v1/tickets/${data[0]!.id}/messages`, { text: 'Gern: Größe 42.' });
  await eventually(() => expect(simulator.sent()).toHaveLength(1), 60_000);
  const answer = await simpleParser(simulator.sent()[0]!);
  expect(answer).toMatchObject({
    inReplyTo: '<1@x.test>',
    subject: 'Re: mail-1',
    text: expect.stringContaining('Gern: Größe 42.'),
  });
});

it('40: makes a subscription anew that Microsoft removed, and loses nothing', async () => {
  const [before] = subscriptions();
  await simulator.subscriptions.lifecycle('subscriptionRemoved');
  await eventually(() => expect(subscriptions()).toHaveLength(1), 60_000);
  expect(subscriptions()[0]!.id).not.toBe(before!.id);
  simulator.deliver(ADDRESS, mail(2));
  await eventually(async () => expect(await channel.received()).toContain('2@x.test'), 60_000);
});

it('42: stops with its reason where the consent is taken back, and leaves no subscription behind when it goes', async () => {
  await simulator.consent.revoke(ADDRESS);
  await channel.sync().catch(() => undefined);
  await eventually(
    async () =>
      expect(await channel.status()).toMatchObject({
        state: 'needs_attention',
        last_error: { detail: expect.stringContaining('connect the account again') },
      }),
    60_000,
  );
  const { refresh_token } = await simulator.delegated(ADDRESS);
  await product.call('PATCH', `/v1/channels/${channel.id}`, { settings: { refresh_token } });
  simulator.deliver(ADDRESS, mail(3));
  await eventually(async () => expect(await channel.received()).toContain('3@x.test'), 60_000);
  await channel.remove();
  await eventually(() => expect(subscriptions()).toEqual([]), 60_000);
  // Its workflow ends: nothing is asked of Microsoft any more.
  await eventually(async () => {
    const asked = simulator.requests.length;
    await sleep(3_000);
    expect(simulator.requests).toHaveLength(asked);
  }, 60_000);
});
