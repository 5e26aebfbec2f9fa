import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { inTenant, type Db } from '../../../db/connection.ts';
import type { Autoresponder } from '../../../domain/rules/schema.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';
import type { Note } from './pigeon.ts';

// The autoresponder on a chat: from what is received to what is queued.

const ADA = '+491701234567';

let db: Db;
let world: ChatWorld;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());
beforeEach(async () => {
  world = await chatWorld(db);
});

let count = 0;
function said(fields: Partial<Note> = {}): Note {
  count += 1;
  return { id: `wamid.a${count}`, who: ADA, name: 'Ada', text: 'Hello', at: new Date(), ...fields };
}

const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(db, world.tenantId, work);

async function answering(
  autoresponder: Partial<Autoresponder> = {},
  settings: Record<string, unknown> = {},
): Promise<void> {
  world.channel = await world.newChannel(settings);
  const rules = {
    autoresponder: {
      enabled: true,
      text: 'Dear {{sender.name}}, we have it: {{ticket.number}}.',
      hours: 24,
      ...autoresponder,
    },
  };
  await inDb((tx) =>
    tx
      .updateTable('channels')
      .set({ rules: JSON.stringify(rules) })
      .where('id', '=', world.channel.facts.id)
      .execute(),
  );
}

const answers = async () =>
  (await world.rows('messages')).filter(({ status }) => status === 'queued');
/** In no order of their own: ids of one moment have none. */
const texts = async () =>
  (await answers()).map(({ body }) => (body as unknown as { content: string }).content).toSorted();

/** What is said next begins a ticket of its own. */
const closeAll = () =>
  inDb((tx) =>
    tx
      .updateTable('tickets')
      .set({ status: 'closed', closed_at: new Date(Date.now() - 90 * 86_400_000) })
      .execute(),
  );

test('answers who begins a ticket, once, by the ticket’s workflow', async () => {
  await answering();
  await world.receive(said(), said({ text: 'Are you there?' }));
  await world.receive(said({ text: 'Hello??' }));
  const [ticket, ...others] = await world.rows('tickets');
  expect(others).toEqual([]);
  expect(await answers()).toMatchObject([
    {
      kind: 'auto_reply',
      status: 'queued',
      ticket_id: ticket!.id,
      body: {
        to: [{ address: ADA }],
        content: `Dear Ada, we have it: ${ticket!.number}.`,
        metadata: { platform_specific: { message_type: 'text' } },
      },
    },
  ]);
  const starts = world.flushed.flatMap((work) => [...work.ticketStarts.values()]);
  expect(Date.parse(starts[0]!.wakeAt!)).toBeLessThanOrEqual(Date.now());
});

test('answers a customer once in its span, whatever tickets they begin, and each customer', async () => {
  await answering();
  await world.receive(said());
  await closeAll();
  await world.receive(said(), said({ who: '+491709999999', name: 'Bo' }));
  expect(await world.rows('tickets')).toHaveLength(3);
  expect(await texts()).toEqual([
    expect.stringMatching(/^Dear Ada/),
    expect.stringMatching(/^Dear Bo/),
  ]);
  await inDb((tx) =>
    tx
      .updateTable('auto_replies')
      .set({ until: new Date(Date.now() - 1000) })
      .execute(),
  );
  await closeAll();
  await world.receive(said());
  expect(await texts()).toHaveLength(3);
});

test('a customer without a name is called by their number, or customer', async () => {
  await answering();
  await world.receive(said({ name: '' }), said({ who: '7001', name: '' }));
  expect(await texts()).toEqual([
    expect.stringContaining(`Dear ${ADA},`),
    expect.stringContaining('Dear customer,'),
  ]);
});

test('html goes as text', async () => {
  await answering({ text: undefined, html: '<p>We have <b>it</b>.</p>' });
  await world.receive(said());
  expect(await texts()).toEqual(['We have it.']);
});

test.each<[string, () => Note[]]>([
  ['a reaction', () => [said({ reaction: { to: 'wamid.gone', emoji: '👍' } })]],
  ['what was sent beside us', () => [said({ echo: true })]],
  ['an opt-out word', () => [said({ text: 'STOP' })]],
  ['a notice', () => [said({ notice: true })]],
  ['what was written long ago', () => [said({ at: new Date(Date.now() - 3 * 86_400_000) })]],
  ['a number of our own', () => [said({ who: '+4930000' })]],
])('never answers %s', async (_name, notes) => {
  await answering();
  await world.receive(...notes());
  expect(await answers()).toEqual([]);
});

test('who asked for silence is not answered, which their ticket tells, nor does it count as answered', async () => {
  await answering();
  await world.receive(said({ text: 'STOP' }));
  await world.receive(said({ text: 'My lamp is broken' }));
  const [ticket] = await world.rows('tickets');
  expect(await answers()).toEqual([]);
  const told = await inDb((tx) =>
    tx
      .selectFrom('audit')
      .select(['action', 'reason'])
      .where('ticket_id', '=', ticket!.id)
      .where('action', '=', 'customer.not_told')
      .execute(),
  );
  expect(told).toMatchObject([{ reason: expect.stringMatching(/^autoresponder: /) }]);
  await closeAll();
  await world.receive(said({ text: 'START' }), said({ text: 'And now?' }));
  expect(await answers()).toHaveLength(1);
});

test('what could not be sent does not count as answered', async () => {
  await answering({ text: 'x'.repeat(101) });
  await world.receive(said());
  expect(await answers()).toEqual([]);
  expect(await inDb((tx) => tx.selectFrom('auto_replies').selectAll().execute())).toEqual([]);
});

test('where the settings tell that a request has come in, that alone goes', async () => {
  await answering(
    {},
    {
      notifications_enabled: true,
      template_messages: { 'ticket.created': { text: 'Here it is: {{ticket.number}}.' } },
    },
  );
  await world.receive(said());
  expect(await texts()).toEqual([expect.stringMatching(/^Here it is/)]);
});

test('two channels of ours that answer each other say nothing at all', async () => {
  await answering();
  const other = world.channel;
  await answering();
  await inDb((tx) =>
    tx
      .updateTable('channels')
      .set({ address: '+4931111' })
      .where('id', '=', other.facts.id)
      .execute(),
  );
  await world.receive(said({ who: '+4931111', name: 'Shop' }));
  expect(await answers()).toEqual([]);
});
