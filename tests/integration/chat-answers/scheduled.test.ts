import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { newId, type ChannelId, type ContactId } from '../../../domain/ids.ts';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../simulators/meta/world.ts';
import { scheduledMessageWorkflowId } from '../../../workflows/contracts/scheduled-message.ts';
import { eventually } from '../../harness/index.ts';
import { installation, type Installation, type WorkerProcess } from '../../harness/installation.ts';
import { CUSTOMER, HOUR, openChat } from './chat-seed.ts';

// On real servers, with workers that are killed: before the time, over it, and right after it.

jest.setTimeout(240_000);
const WAIT_MS = 90_000;

let product: Installation;
let meta: MetaSimulator;
let number: SimNumber;
let channelId: ChannelId;
let contactId: ContactId;

beforeAll(async () => {
  product = await installation('scheduled');
  meta = await metaSimulator();
  number = meta.number();
  const { status, body } = await product.call('POST', '/v1/channels', {
    provider: 'whatsapp',
    name: 'Shop',
    settings: meta.settings(number),
  });
  expect(status).toBe(201);
  channelId = body.id as ChannelId;
  contactId = newId('contact');
  await inTenant(product.deps.db, product.tenantId, async (tx) => {
    const tenant_id = product.tenantId;
    await tx.insertInto('contacts').values({ id: contactId, tenant_id, name: 'Ada' }).execute();
    await tx
      .insertInto('contact_addresses')
      .values({ tenant_id, address: CUSTOMER, contact_id: contactId })
      .execute();
  });
});
afterAll(async () => {
  await product?.close();
  await meta?.close();
});

async function ticketAfterWindow(): Promise<string> {
  const { tenantId, deps } = product;
  const seed = { tenantId, channelId, contactId };
  const longAgo = new Date(Date.now() - 30 * HOUR);
  return (await openChat(deps.db, seed, longAgo)).ticketId;
}

const TEMPLATE = {
  name: 'ticket_update',
  language: 'en_US',
  values: { 'body.1': 'Ada', 'body.2': '42' },
};

async function schedule(ticketId: string, inMs: number): Promise<string> {
  const { status, body } = await product.call('POST', '/v1/scheduled-messages', {
    ticket_id: ticketId,
    template: TEMPLATE,
    send_at: new Date(Date.now() + inMs).toISOString(),
  });
  expect({ status, body }).toMatchObject({ status: 201 });
  return body.id as string;
}

const shown = async (id: string) =>
  (await product.call('GET', `/v1/scheduled-messages/${id}`)).body;
const workflow = async (scheduledId: string) => {
  const id = scheduledMessageWorkflowId({ tenantId: product.tenantId, scheduledId });
  return (await product.deps.client.workflow.getHandle(id).describe()).status.name;
};

it('the account’s templates are read on request, with what each wants', async () => {
  const synced = await product.call('POST', `/v1/channels/${channelId}/templates:sync`);
  expect(synced).toMatchObject({ status: 200, body: { approved: 4 } });
  const first = await product.call('GET', `/v1/channels/${channelId}/templates?limit=4`);
  const next = await product.call(
    'GET',
    `/v1/channels/${channelId}/templates?limit=50&cursor=${first.body.next_cursor as string}`,
  );
  const all = [...first.body.data, ...next.body.data] as { name: string; language: string }[];
  expect(all.map(({ name, language }) => [name, language])).toEqual([
    ['hello_world', 'en_US'],
    ['order_shipped', 'en_US'],
    ['spring_sale', 'en_US'],
    ['survey', 'en_US'],
    ['ticket_update', 'de'],
    ['ticket_update', 'en_US'],
  ]);
  expect(all[2]).toMatchObject({ status: 'rejected', reason: expect.any(String) });
  expect(all[5]).toMatchObject({
    status: 'approved',
    body: 'Hello {{1}}, there is news on your request {{2}}.',
    parameters: [{ place: 'body.1' }, { place: 'body.2' }],
  });
});

it('survives every restart and is sent once; cancelled in time it never is', async () => {
  const early = await ticketAfterWindow();
  let workers: WorkerProcess = await product.startWorkers();
  const soon = await schedule(early, 15_000);
  const over = await schedule(early, 18_000);
  const dropped = await schedule(early, 16_000);
  const later = await schedule(early, HOUR);

  // Killed before the time of any of them; back when it has passed.
  await workers.kill('SIGKILL');
  const cancelled = await product.call('DELETE', `/v1/scheduled-messages/${dropped}`);
  expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } });
  await new Promise((passed) => setTimeout(passed, 19_000));
  expect(number.sent).toHaveLength(0);
  workers = await product.startWorkers();
  await eventually(async () => {
    expect([await shown(soon), await shown(over)]).toMatchObject([
      { status: 'sent', message_id: expect.any(String) },
      { status: 'sent', message_id: expect.any(String) },
    ]);
    expect(number.sent).toHaveLength(2);
  }, WAIT_MS);
  await eventually(async () => {
    for (const id of [soon, over]) expect(await workflow(id)).toBe('COMPLETED');
    // Its time came before any worker could end its wait.
    expect(['CANCELLED', 'COMPLETED']).toContain(await workflow(dropped));
    expect(await workflow(later)).toBe('RUNNING');
  }, WAIT_MS);

  // Killed and back once more: nothing goes again.
  await workers.kill('SIGKILL');
  workers = await product.startWorkers();
  expect(await product.call('DELETE', `/v1/scheduled-messages/${later}`)).toMatchObject({
    status: 200,
  });
  await eventually(async () => expect(await workflow(later)).toBe('CANCELLED'), WAIT_MS);
  expect(
    number.sent.map(({ to, body }) => [to, (body['template'] as { name: string }).name]),
  ).toEqual([soon, over].map(() => [CUSTOMER.slice(1), 'ticket_update']));
  expect(await shown(dropped)).toMatchObject({ status: 'cancelled', message_id: null });
  await workers.kill('SIGTERM');
});

it('killed at its very time, it goes once', async () => {
  const before = number.sent.length;
  const ticketId = await ticketAfterWindow();
  const workers = await product.startWorkers();
  const ids = await Promise.all(Array.from({ length: 6 }, () => schedule(ticketId, 4_000)));
  await new Promise((passed) => setTimeout(passed, 4_100));
  await workers.kill('SIGKILL');
  const again = await product.startWorkers();
  await eventually(async () => {
    const states = await Promise.all(ids.map(shown));
    expect(states.map(({ status }) => status as string)).toEqual(ids.map(() => 'sent'));
    const messages = await Promise.all(
      states.map(({ message_id: id }) => product.call('GET', `/v1/messages/${id as string}`)),
    );
    for (const { body } of messages) expect(['accepted', 'uncertain']).toContain(body.status);
  }, WAIT_MS);
  // One that was on the wire may be in doubt; none goes twice.
  expect(number.sent.length - before).toBeLessThanOrEqual(ids.length);
  expect(number.sent.length - before).toBeGreaterThanOrEqual(ids.length - 1);
  await again.kill('SIGTERM');
});
