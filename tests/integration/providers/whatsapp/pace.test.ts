import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../../simulators/meta/world.ts';
import { eventually } from '../../../harness/index.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';

// Three hundred answers at once by a number that WhatsApp lets send twenty a second.

const ANSWERS = 300;
/** Of the agents who write them. */
const LANES = 10;
const WAIT_MS = 180_000;
jest.setTimeout(600_000);

let product: Product;
let meta: MetaSimulator;
let number: SimNumber;
let channel: FaultChannel;

beforeAll(async () => {
  // One after the other: a simulator may be given the very port that the API is about to take.
  product = await startProduct();
  meta = await metaSimulator();
  number = meta.number({ onBusinessApp: true });
  channel = await product.channel('whatsapp', meta.settings(number));
  await meta.connect(channel.doorUrl!, number.app);
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});

const refused = () =>
  meta.requests.filter(({ path, status }) => path.includes('/messages') && status === 400);

it('sends every answer once, and hardly asks for more than it may', async () => {
  await eventually(async () => {
    expect(await product.call('GET', `/v1/channels/${channel.id}`)).toMatchObject({
      health: { messages_a_second: 20, customers_a_day: 2000 },
    });
  }, WAIT_MS);
  const asked = Array.from({ length: ANSWERS }, (_, n) =>
    meta.writes(number, { phone: `+49151${String(2_000_000 + n)}` }, { text: 'Hello?' }),
  );
  const messages = new Map<string, string>();
  await eventually(async () => {
    for (let cursor = ''; ;) {
      const page = (await product.call(
        'GET',
        `/v1/messages?account_id=${channel.id}&limit=100${cursor}`,
      )) as unknown as Page;
      for (const one of page.data) messages.set(one.provider_message_id, one.id);
      if (page.next_cursor === null) break;
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
    expect(asked.filter((id) => !messages.has(id))).toEqual([]);
  }, WAIT_MS);

  const began = Date.now();
  const ids: string[] = [];
  const left = [...asked];
  const lane = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const path = `/v1/messages/${messages.get(id)}/reply`;
      ids.push(String((await product.call('POST', path, { text: 'Here.' })).id));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await eventually(() => expect(number.sent.length).toBeGreaterThanOrEqual(ANSWERS), WAIT_MS);
  const took = Date.now() - began;
  const marks = number.sent.map(({ body }) => String(body['biz_opaque_callback_data']));
  for (const id of ids) expect(marks.filter((mark) => mark.includes(id))).toHaveLength(1);
  expect(number.sent).toHaveLength(ANSWERS);
  expect(refused().length).toBeLessThanOrEqual(3);
  // Kept to the pace, and not to a slower one by much: sixteen a second.
  expect(took).toBeGreaterThan((ANSWERS / 20) * 1000);
});

interface Page {
  readonly data: readonly { readonly id: string; readonly provider_message_id: string }[];
  readonly next_cursor: string | null;
}
