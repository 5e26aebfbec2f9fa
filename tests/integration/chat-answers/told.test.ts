import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import type { SimNumber } from '../../../simulators/meta/world.ts';
import { eventually } from '../../harness/index.ts';
import { startProduct, type FaultChannel, type Product } from '../providers/faults/product.ts';
import { connectedNumber } from '../providers/whatsapp/connected.ts';

// Through the whole product: what a customer is told by itself, from the first message to the last word.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;
const ADA = { phone: '+4915112345678', name: 'Ada' };
const WINDOW_SECONDS = 45;

let product: Product;
let meta: MetaSimulator;
let number: SimNumber;
let channel: FaultChannel;

beforeAll(async () => {
  product = await startProduct();
  meta = await metaSimulator();
  meta.world.windowMs = WINDOW_SECONDS * 1000;
  number = meta.number();
  channel = await connectedNumber(product, meta, number, {
    window_seconds: WINDOW_SECONDS,
    notifications_enabled: true,
    template_messages: {
      'ticket.created': { text: 'We have it: {{ticket.subject}} ({{ticket.number}}).' },
      'ticket.resolved': {
        text: 'Resolved.',
        template: 'ticket_update',
        language: 'en_US',
        values: { 1: '{{customer.name}}', 2: '#{{ticket.number}}' },
      },
    },
  });
  await product.call('POST', `/v1/channels/${channel.id}/templates:sync`);
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});

const sent = () => number.sent.map(({ body }) => body);
const texts = () =>
  sent().map((body) => (body['text'] as { body: string } | undefined)?.body ?? body['template']);

async function ticket(): Promise<Record<string, unknown>> {
  const { data } = await product.call('GET', '/v1/tickets');
  const [latest] = data as { id: string }[];
  return product.call('GET', `/v1/tickets/${latest!.id}`);
}
const change = async (status: string) =>
  product.call('PATCH', `/v1/tickets/${String((await ticket())['id'])}`, { status });

it('has it, is resolved, is open again: text while the window is open', async () => {
  meta.writes(number, ADA, { text: 'My lamp is broken' });
  await eventually(() => expect(sent()).toHaveLength(1), WAIT_MS);
  expect(texts()[0]).toMatch(/^We have it: My lamp is broken \(\d+\)\.$/);
  await change('resolved');
  await eventually(() => expect(sent()).toHaveLength(2), WAIT_MS);
  expect(texts()[1]).toBe('Resolved.');
  meta.writes(number, ADA, { text: 'It is not.' });
  await eventually(() => expect(sent()).toHaveLength(3), WAIT_MS);
  expect(texts()[2]).toMatch(/^Your request \d+ is open again\.$/);
});

it('after the window the template, and what was told shows as such', async () => {
  const { id, conversation } = (await ticket()) as {
    id: string;
    conversation: { window_ends_at: string };
  };
  const left = Date.parse(conversation.window_ends_at) - Date.now();
  await new Promise((passed) => setTimeout(passed, Math.max(0, left) + 500));
  await change('resolved');
  await eventually(() => expect(sent()).toHaveLength(4), WAIT_MS);
  expect(texts()[3]).toMatchObject({ name: 'ticket_update', language: { code: 'en_US' } });
  const { data } = await product.call('GET', `/v1/tickets/${id}/messages`);
  const told = (data as { kind: string; direction: string; status: string }[]).filter(
    ({ kind }) => kind === 'notification',
  );
  expect(told).toHaveLength(4);
  await eventually(async () => {
    const messages = (await product.call('GET', `/v1/tickets/${id}/messages`))['data'] as {
      kind: string;
      status: string;
    }[];
    for (const { kind, status } of messages)
      if (kind === 'notification') expect(['sent', 'delivered', 'read']).toContain(status);
  }, WAIT_MS);
});

it('nothing after STOP, and everything again after START', async () => {
  meta.writes(number, ADA, { text: 'STOP' });
  await eventually(async () => {
    expect((await ticket())['conversation']).toMatchObject({ opted_out: true });
  }, WAIT_MS);
  const before = sent().length;
  await change('resolved');
  await expect(
    product.call('POST', `/v1/tickets/${String((await ticket())['id'])}/messages`, { text: 'Hi' }),
  ).rejects.toThrow('opted_out');
  meta.writes(number, ADA, { text: 'START' });
  await eventually(async () => {
    expect((await ticket())['conversation']).toMatchObject({ opted_out: false });
  }, WAIT_MS);
  await product.call('POST', `/v1/tickets/${String((await ticket())['id'])}/messages`, {
    text: 'Welcome back.',
  });
  await eventually(() => expect(texts().at(-1)).toBe('Welcome back.'), WAIT_MS);
  // Only START may have brought news; STOP and what followed it did not.
  expect(texts().slice(before)).not.toContainEqual('Resolved.');
});

it('the autoresponder answers who begins a request, once, where the channel’s rules have one', async () => {
  meta.world.windowMs = 3_600_000;
  await product.call('PATCH', `/v1/channels/${channel.id}`, {
    settings: { notifications_enabled: false, window_seconds: 3600 },
    rules: { autoresponder: { text: 'Dear {{sender.name}}: {{ticket.subject}}.' } },
  });
  const bo = { phone: '+4915187654321', name: 'Bo' };
  meta.writes(number, bo, { text: 'My kettle leaks' });
  await eventually(() => expect(texts().at(-1)).toBe('Dear Bo: My kettle leaks.'), WAIT_MS);
  meta.writes(number, bo, { text: 'And it is hot' });
  await eventually(async () => expect(await ticket()).toMatchObject({ message_count: 2 }), WAIT_MS);
  const { data } = await product.call(
    'GET',
    `/v1/tickets/${String((await ticket())['id'])}/messages`,
  );
  expect((data as { kind: string }[]).map(({ kind }) => kind).toSorted()).toEqual([
    'auto_reply',
    'message',
    'message',
  ]);
});
