import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { inTenant } from '../../../../db/connection.ts';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimPage } from '../../../../simulators/meta/world.ts';
import { eventually } from '../../../harness/index.ts';
import { startProduct, type Product, type ProductTenant } from '../faults/product.ts';
import { ADA } from './fixture.ts';

// A customer whose phone is off: Messenger reports nothing of an answer. Its echo tells that the page's webhook reaches us.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;

let product: Product;
let tenant: ProductTenant;
let meta: MetaSimulator;
let page: SimPage;
let question: { id: string; ticket_id: string };

beforeAll(async () => {
  product = await startProduct();
  tenant = await product.tenant('echoes');
  meta = await metaSimulator();
  meta.reports.plan.deliveredMs = null;
  page = meta.page();
  await tenant.call('POST', '/v1/channels', {
    provider: 'messenger',
    name: 'Page',
    settings: { ...meta.settings(page), mark_read: false },
  });
  await meta.connect(`${product.url}/ingress/meta`);
  await eventually(() => expect([...page.fields]).toContain('message_echoes'), WAIT_MS);
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});
beforeEach(async () => {
  const mid = meta.says(page, { psid: ADA }, { text: 'Where is my lamp?' });
  question = await eventuallyFound(mid);
});

async function eventuallyFound(mid: string): Promise<typeof question> {
  let found: (typeof question & { provider_message_id: string }) | undefined;
  await eventually(async () => {
    const { data } = await tenant.call<{ data: NonNullable<typeof found>[] }>('GET', '/v1/messages?limit=100'); // prettier-ignore
    found = data.find(({ provider_message_id: id }) => id === mid);
    expect(found).toBeDefined();
  }, WAIT_MS);
  return found!;
}

const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(product.db, tenant.id, work);

async function answer(): Promise<string> {
  const path = `/v1/messages/${question.id}/reply`;
  return (await tenant.call<{ id: string }>('POST', path, { text: 'On its way.' })).id;
}

const stored = (id: string) =>
  inDb((tx) =>
    tx
      .selectFrom('messages')
      .select(['status', 'receipt_due_at', 'provider_message_id'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow(),
  );
const sent = () => ({
  status: 'sent',
  receipt_due_at: null,
  provider_message_id: page.sent.at(-1)!.id,
});

it('an answer is accepted, and sent once its echo comes; no report is missed', async () => {
  meta.hooks.hold();
  const id = await answer();
  await eventually(async () => {
    expect(await stored(id)).toMatchObject({
      status: 'accepted',
      receipt_due_at: expect.any(Date),
    });
  }, WAIT_MS);
  for (const call of await meta.hooks.release()) await meta.hooks.call(call);
  await eventually(async () => expect(await stored(id)).toEqual(sent()), WAIT_MS);
  expect(await tenant.call('GET', `/v1/messages/${id}`)).toMatchObject({ status: 'sent' });
});

it('the same where the echo comes before the receipt is written', async () => {
  // The first attempt fails, so that the ticket can be held before the second: whoever writes a receipt waits for it.
  meta.faults.failNext({ kind: 'unavailable', match: /^POST .*\/messages/, retryAfterSeconds: 8 });
  const before = page.sent.length;
  const id = await answer();
  await inDb(async (tx) => {
    await tx
      .selectFrom('tickets')
      .select('id')
      .where('id', '=', question.ticket_id)
      .forUpdate()
      .execute();
    expect(page.sent).toHaveLength(before);
    await eventually(async () => {
      expect(page.sent).toHaveLength(before + 1);
      expect(await stored(id)).toMatchObject({
        status: 'queued',
        provider_message_id: page.sent.at(-1)!.id,
      });
    }, WAIT_MS);
  });
  await eventually(async () => expect(await stored(id)).toEqual(sent()), WAIT_MS);
});
