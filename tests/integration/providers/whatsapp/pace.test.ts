import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { inTenant } from '../../../../db/connection.ts';
import type { AccountHealth } from '../../../../domain/account-health.ts';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../../simulators/meta/world.ts';
import { eventually } from '../../../harness/index.ts';
import { startProduct, type Product, type ProductTenant } from '../faults/product.ts';

// Answers at once by a number that may send fewer a second than even a busy machine would. More: POSTROOM_PACED=300.

const ANSWERS = Number(process.env['POSTROOM_PACED'] ?? 100);
const PER_SECOND = 10;
/** Agents who write the answers. */
const AGENTS = 10;
const WAIT_MS = 180_000;
jest.setTimeout(600_000);

let product: Product;
let tenant: ProductTenant;
let meta: MetaSimulator;
let number: SimNumber;
let channel: { readonly id: string; readonly ingress_url: string };

beforeAll(async () => {
  // One after the other: a simulator may be given the very port that the API is about to take.
  product = await startProduct();
  meta = await metaSimulator();
  number = meta.number({ perSecond: PER_SECOND });
  tenant = await product.tenant('slow');
  channel = await tenant.call('POST', '/v1/channels', {
    provider: 'whatsapp',
    name: 'WhatsApp',
    settings: meta.settings(number),
  });
  await meta.connect(channel.ingress_url, number.app);
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});

/** As if WhatsApp told that of the number; it is asked again tomorrow. */
async function slowDown(): Promise<void> {
  const path = `/v1/channels/${channel.id}`;
  const health = async () =>
    (await tenant.call<{ health: AccountHealth | null }>('GET', path)).health;
  await eventually(async () => {
    expect(await health()).toMatchObject({ messages_a_second: 80, customers_a_day: 2000 });
  }, WAIT_MS);
  const slow = { ...(await health()), messages_a_second: PER_SECOND };
  await inTenant(product.db, tenant.id, (tx) =>
    tx
      .updateTable('channels')
      .set({ health: JSON.stringify(slow) })
      .execute(),
  );
}

interface Page {
  readonly data: readonly { readonly id: string; readonly provider_message_id: string }[];
  readonly next_cursor: string | null;
}

/** Ids of what was taken in, by the vendor's. */
async function takenIn(): Promise<Map<string, string>> {
  const messages = new Map<string, string>();
  for (let cursor: string | null = ''; cursor !== null;) {
    const from = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: Page = await tenant.call('GET', `/v1/messages?limit=100${from}`);
    for (const one of page.data) messages.set(one.provider_message_id, one.id);
    cursor = page.next_cursor;
  }
  return messages;
}

it('sends every answer once, and hardly ever asks for more than it may', async () => {
  await slowDown();
  const asked = Array.from({ length: ANSWERS }, (_, n) =>
    meta.writes(number, { phone: `+49151${2_000_000 + n}` }, { text: 'Hello?' }),
  );
  let messages = new Map<string, string>();
  await eventually(async () => {
    messages = await takenIn();
    expect(asked.filter((id) => !messages.has(id))).toEqual([]);
  }, WAIT_MS);

  const began = Date.now();
  const answers: string[] = [];
  const left = [...asked];
  const agent = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const path = `/v1/messages/${messages.get(id)}/reply`;
      answers.push((await tenant.call<{ id: string }>('POST', path, { text: 'Here.' })).id);
    }
  };
  await Promise.all(Array.from({ length: AGENTS }, agent));
  await eventually(() => expect(number.sent.length).toBeGreaterThanOrEqual(ANSWERS), WAIT_MS);
  expect(Date.now() - began).toBeGreaterThan((ANSWERS / PER_SECOND) * 1000);
  const marks = number.sent.map(({ body }) => String(body['biz_opaque_callback_data']));
  for (const id of answers) expect(marks.filter((mark) => mark.includes(id))).toHaveLength(1);
  expect(number.sent).toHaveLength(ANSWERS);
  const tooFast = meta.requests.filter(
    ({ path, status }) => path.includes('/messages') && status === 400,
  );
  // A process that is held up lets a few go at once; each refusal costs ten seconds, and without a pace it never ends.
  expect(tooFast.length).toBeLessThanOrEqual(ANSWERS / 4);
});
