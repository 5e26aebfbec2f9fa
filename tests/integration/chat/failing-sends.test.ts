import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import type { SimNumber, SimPage } from '../../../simulators/meta/world.ts';
import { startProduct, type Product, type ProductTenant } from '../providers/faults/product.ts';

// Meta fails a quarter of all sends, in all its ways: no answer goes twice, none is lost in silence, and what Meta tells
// afterwards settles those of which its answer never came.

const ANSWERS = 16;
const WITHIN_MS = 240_000;
jest.setTimeout(WITHIN_MS + 60_000);

let product: Product;
let meta: MetaSimulator;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.stop());
beforeEach(async () => {
  meta = await metaSimulator();
  Object.assign(meta.reports.plan, { sentMs: 200, deliveredMs: 300, readMs: 400 });
});
afterEach(() => meta.close());

interface Answer {
  readonly id: string;
  readonly text: string;
}

test.each(['whatsapp', 'messenger'] as const)(
  '%s: each answer once, or its loss is told',
  async (provider) => {
    const line = provider === 'whatsapp' ? meta.number() : meta.page();
    const tenant = await product.tenant(`failing-${provider}`);
    await openChannel(tenant, provider, line);
    const tickets = await conversations(tenant, line);
    meta.faults.failSome(0.25, ['too_many', 'unavailable', 'server_error', 'lost_answer', 'reset', 'hang'], 3); // prettier-ignore
    const answers = await Promise.all(
      tickets.map(async (ticket, n): Promise<Answer> => {
        const text = `Antwort ${n}.`;
        const { id } = await tenant.call<{ id: string }>('POST', `/v1/tickets/${ticket}/messages`, { text }); // prettier-ignore
        return { id, text };
      }),
    );
    const states = await settled(tenant, answers);
    const outcomes = answers.map(({ id, text }) => [states.get(id), timesSent(line, text)]);
    const allowed = [
      ['read', 1],
      ['uncertain', 0],
      ['failed', 0],
    ];
    for (const outcome of outcomes) expect(allowed).toContainEqual(outcome);
    expect(outcomes.filter(([state]) => state === 'read').length).toBeGreaterThan(ANSWERS / 2);
    expect(
      meta.requests.filter(({ status }) => status === 0 || status >= 400).length,
    ).toBeGreaterThan(1);
    expect(meta.violations).toEqual([]);
  },
);

async function openChannel(tenant: ProductTenant, provider: string, line: SimNumber | SimPage) {
  const settings = { ...meta.settings(line), timeout_seconds: 2, mark_read: false };
  await tenant.call('POST', '/v1/channels', {
    provider,
    name: provider,
    settings,
  });
  await meta.connect(`${product.url}/ingress/meta`);
  await until(() => line.kind === 'number' || line.fields.size > 0);
}

/** @returns the tickets that as many customers began */
async function conversations(tenant: ProductTenant, line: SimNumber | SimPage) {
  for (let n = 0; n < ANSWERS; n += 1) {
    const digits = String(n).padStart(5, '0');
    if (line.kind === 'number')
      meta.writes(line, { phone: `49151777${digits}` }, { text: `Frage ${n}` });
    else meta.says(line, { psid: `70000000001${digits}` }, { text: `Frage ${n}` });
  }
  const all = async () =>
    (await tenant.call<{ data: { id: string }[] }>('GET', '/v1/tickets?limit=100')).data;
  await until(async () => (await all()).length === ANSWERS);
  return (await all()).map(({ id }) => id);
}

/** The states of all answers, once none of them changes any more. */
async function settled(tenant: ProductTenant, answers: readonly Answer[]) {
  const states = async () =>
    new Map(
      (
        await inTenant(product.db, tenant.id, (tx) =>
          tx
            .selectFrom('messages')
            .select(['id', 'status'])
            .where(
              'id',
              'in',
              answers.map(({ id }) => id),
            )
            .execute(),
        )
      ).map(({ id, status }) => [id, status]),
    );
  const isOver = async () =>
    [...(await states()).values()].every((status) => ['read', 'uncertain', 'failed'].includes(status)); // prettier-ignore
  await until(async () => {
    if (!(await isOver())) return false;
    // What is told late would still change an uncertain one.
    await meta.settled();
    await sleep(1_500);
    return isOver();
  });
  return states();
}

const timesSent = ({ sent }: SimNumber | SimPage, text: string) =>
  sent.filter(({ body }) => JSON.stringify(body).includes(text)).length;

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = Date.now() + WITHIN_MS; !(await isSo()); await sleep(300))
    if (Date.now() > deadline) throw new Error('It did not come about in time.');
}
