import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../simulators/meta/world.ts';
import { eventually } from '../../harness/index.ts';
import type { ShownMessage } from '../providers/faults/channel.ts';
import { startProduct, type FaultChannel, type Product } from '../providers/faults/product.ts';
import { connectedNumber } from '../providers/whatsapp/connected.ts';

// Through the whole product: a number that begins no tickets, and people who answer nonetheless.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;
const ADA = { phone: '+4915112345678', name: 'Ada' };
const BOB = { phone: '+33612345678', name: 'Bob' };

let product: Product;
let meta: MetaSimulator;
let number: SimNumber;
let channel: FaultChannel;

beforeAll(async () => {
  // One after the other: a simulator may be given the very port that the API is about to take.
  product = await startProduct();
  meta = await metaSimulator();
  number = meta.number();
  channel = await connectedNumber(product, meta, number, { ticket_creation_enabled: false });
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});

async function tickets(): Promise<{ id: string; message_count: number }[]> {
  const { data } = await product.call('GET', '/v1/tickets');
  return data as { id: string; message_count: number }[];
}
const reply = async (to: ShownMessage, text: string) =>
  (await product.call('POST', `/v1/messages/${to.id}/reply`, { text })) as unknown as ShownMessage;
/** What Temporal has not accepted yet. */
async function waitingFor(ticketId: string) {
  const { id } = await product.tenant('faults');
  return inTenant(product.db, id, (tx) =>
    tx.selectFrom('outbox').select('kind').where('ref', '=', ticketId).execute(),
  );
}
const texts = () => number.sent.map(({ body }) => (body['text'] as { body: string }).body);

it('two agents answer at once while the customer writes on: one ticket, each answer sent once', async () => {
  const [asked, beside] = [
    meta.writes(number, ADA, { text: 'Where is my lamp?' }),
    meta.writesBeside(number, ADA.phone, 'One moment.'),
  ];
  const [first, echo] = await channel.arrived(asked, beside);
  expect([first!.ticket_id, echo!.ticket_id]).toEqual([null, null]);
  expect(await tickets()).toEqual([]);

  const later = meta.writes(number, ADA, { text: 'Hello?' });
  const answers = await Promise.all([reply(first!, 'It is here.'), reply(first!, 'On its way.')]);
  const last = meta.writes(number, ADA, { text: 'Thank you!' });
  const all = await channel.arrived(asked, beside, later, last);
  const [ticket, ...others] = await tickets();
  expect(others).toEqual([]);
  for (const one of [...all, ...answers]) expect(one.ticket_id).toBe(ticket!.id);
  expect(ticket!.message_count).toBe(6);
  await eventually(() => {
    expect(texts().toSorted()).toEqual(['It is here.', 'On its way.']);
  }, WAIT_MS);
  await eventually(async () => {
    const sent = (await channel.messages()).filter(({ id }) =>
      answers.some((one) => one.id === id),
    );
    for (const { status } of sent) expect(['sent', 'delivered', 'read']).toContain(status);
  }, WAIT_MS);
  expect(number.sent).toHaveLength(2);
});

it('a ticket that is made of a message is one as any: Temporal has it, and what was resolved opens again', async () => {
  const [asked] = await channel.arrived(meta.writes(number, BOB, { text: 'May I join?' }));
  const made = await product.call('POST', `/v1/messages/${asked!.id}/ticket`);
  expect(made).toMatchObject({ subject: 'May I join?', status: 'open', message_count: 1 });
  await eventually(async () => {
    expect(await waitingFor(String(made['id']))).toEqual([]);
  }, WAIT_MS);
  const path = `/v1/tickets/${String(made['id'])}`;
  expect(await product.call('PATCH', path, { status: 'resolved' })).toMatchObject({
    status: 'resolved',
  });
  const [again] = await channel.arrived(meta.writes(number, BOB, { text: 'Still there?' }));
  expect(again!.ticket_id).toBe(made['id']);
  expect(await product.call('GET', path)).toMatchObject({ status: 'open', message_count: 2 });
});
