import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { Deps } from '../../../activities/deps.ts';
import { ingestStaged } from '../../../activities/ingestion.ts';
import { inTenant } from '../../../db/connection.ts';
import { loadChannel, type LoadedChannel } from '../../../db/queries/channels.ts';
import { listEvents } from '../../../db/queries/events.ts';
import { showMessage } from '../../../db/queries/messages.ts';
import { stageReceipts } from '../../../db/queries/sources.ts';
import { Message } from '../../../domain/message.ts';
import { Ticket } from '../../../domain/ticket.ts';
import { findProvider } from '../../../providers/registry.ts';
import { eventually } from '../../harness/index.ts';
import { keepingSender } from '../../workflow/ticket-seed.ts';
import { ticketSteps } from '../../workflow/ticket-steps.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { ChatOutside } from '../chat-answers/chat-seed.ts';
import { chatWorld, type ChatWorld } from '../chat/world.ts';
import { scene } from './scene.ts';

/** The test's own chat is no channel of the product. */
const Shown = Message.extend({ channel: z.string() });
const NUMBER = '+4915112345678';

let api: TestApi;
let world: ChatWorld;
let deps: Deps;
let mail: LoadedChannel;

const mailSender = keepingSender();
const chatOutside = new ChatOutside();

beforeAll(async () => {
  api = await startTestApi();
  world = await chatWorld(api.db);
  deps = { ...api.deps, keys: world.deps.keys };
  const id = await scene(api.db, world.tenantId).channel('smtp', 'help');
  mail = (await loadChannel(api.db, deps.keys, world.tenantId, id))!;
});
afterAll(() => api.close());

async function mailArrives(): Promise<void> {
  const source = Buffer.from(
    [
      'From: Ada <ada@example.com>',
      'To: help@shop.test',
      'Message-ID: <1@example.com>',
      'Subject: Order',
      `Date: ${new Date().toUTCString()}`,
      '',
      'Where is it?',
    ].join('\r\n'),
  );
  const receipt = { source, providerMessageId: null, receivedAt: new Date() };
  await inTenant(api.db, world.tenantId, (tx) =>
    stageReceipts(tx, world.tenantId, mail.facts.id, [receipt]),
  );
  await ingestStaged(deps, mail, () => {}, findProvider);
}

/** Answers a ticket, and sends the answer. */
async function answer(ticketId: string, name: string): Promise<void> {
  const findProvider = () => (name === 'pigeon' ? chatOutside.provider() : mailSender.provider);
  const steps = ticketSteps(deps, world.tenantId, () => ({ findProvider }));
  await steps.send(ticketId, await steps.queue(ticketId, { text: 'On its way.' }));
}

it('what came and what went is told of alike, by mail, by chat, and beside us', async () => {
  await mailArrives();
  await world.receive({ id: 'mid.1', who: NUMBER, name: 'Ada', text: 'Hi', at: new Date() });
  const tickets = await world.rows('tickets');
  expect(tickets).toHaveLength(2);
  for (const { id, channel } of tickets) await answer(id, channel);
  await world.receive({ id: 'mid.2', who: NUMBER, text: 'By hand', at: new Date(), echo: true });

  const types = ['message.received', 'message.sent'];
  let events: Awaited<ReturnType<typeof listEvents>>['data'] = [];
  // The stream waits for transactions that began before, others' tests' too.
  await eventually(async () => {
    ({ data: events } = await listEvents(api.db, world.tenantId, {
      after: null,
      limit: 100,
      types,
    }));
    expect(events).toHaveLength(5);
  });
  expect(events.map(({ type, data }) => [type, messageOf(data).account_name])).toEqual([
    ['message.received', 'help'],
    ['message.received', 'Pigeon'],
    ['message.sent', 'help'],
    ['message.sent', 'Pigeon'],
    ['message.sent', 'Pigeon'],
  ]);
  // From the number or page that the customer wrote to, whoever sent it.
  const [received, , ours, beside] = events.slice(1).map(({ data }) => messageOf(data));
  expect([ours!.from, beside!.from]).toEqual(Array(2).fill(received!.to[0]!.address));
  const shapes = events.map(({ data }) => shapeOf(data));
  for (const shape of shapes) expect(shape).toEqual(shapes[0]);
  for (const { data, ticket_id: ticketId, sequence } of events) {
    expect(Object.keys(data).toSorted()).toEqual(['message', 'ticket']);
    const message = Shown.parse(data['message']);
    expect(Ticket.parse(data['ticket']).id).toBe(ticketId);
    expect(message.ticket_id).toBe(ticketId);
    expect(sequence).toEqual(expect.any(Number));
    expect(message.metadata.config_id).toBe(message.account_id);
    // As a request shows it, what has become of it since apart.
    const { status: _now, ...shown } = (await showMessage(api.db, world.tenantId, message.id))!;
    const { status: _then, ...told } = message;
    expect(told).toEqual(shown);
  }
});

function messageOf(data: Record<string, unknown>): Message {
  return data['message'] as Message;
}

/** Only some messages have these; what only one kind of channel knows differs by its nature. */
const BY_NATURE = new Set(['authentication', 'bounce', 'error']);
const OPEN = new Set(['platform_specific', 'service_specific_data', 'custom_fields']);

/** The names in it, all the way down; of lists the names of what they hold. */
function shapeOf(value: unknown, name = ''): unknown {
  if (OPEN.has(name)) return 'open';
  if (Array.isArray(value)) return 'list';
  if (value === null || typeof value !== 'object') return 'value';
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !BY_NATURE.has(key))
      .map(([key, inner]) => [key, shapeOf(inner, key)]),
  );
}
