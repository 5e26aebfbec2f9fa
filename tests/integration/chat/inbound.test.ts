import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { inTenant, type Db } from '../../../db/connection.ts';
import { HOUR_MS, notesOf, START } from './pigeon.ts';
import { chatWorld, openDatabase, type ChatWorld } from './world.ts';

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

const note = notesOf(ADA, 'wamid.');

const setTickets = (fields: Record<string, unknown>) =>
  inTenant(db, world.tenantId, (tx) => tx.updateTable('tickets').set(fields).execute());

describe('a customer’s first message', () => {
  test('becomes a ticket with its message, contact, conversation and events', async () => {
    expect(await world.receive(note({ id: 'wamid.first', text: 'My kettle\nis broken' }))).toBe(1);
    const [ticket] = await world.rows('tickets');
    expect(ticket).toMatchObject({
      subject: 'My kettle',
      channel: 'pigeon',
      status: 'open',
      message_count: 1,
    });
    expect(await world.rows('messages')).toMatchObject([
      {
        direction: 'inbound',
        status: 'received',
        ticket_id: ticket!.id,
        provider_message_id: 'wamid.first',
        body: { content: 'My kettle\nis broken', from: ADA },
      },
    ]);
    expect((await world.rows('events')).map(({ type }) => type)).toEqual([
      'ticket.created',
      'message.received',
    ]);
    const [contact] = await world.rows('contacts');
    expect(contact).toMatchObject({ id: ticket!.requester_id, name: 'Ada' });
    expect(await world.rows('conversations')).toMatchObject([
      {
        address: ADA,
        contact_id: contact!.id,
        ticket_id: ticket!.id,
        window_ends_at: new Date(START + 24 * HOUR_MS),
        opted_out_at: null,
      },
    ]);
  });

  test('is stored once, however often it is pushed', async () => {
    const first = note({});
    await world.receive(first);
    await world.receive(first, first);
    expect(await world.rows('messages')).toHaveLength(1);
    expect(await world.rows('sources')).toHaveLength(1);
  });

  test('that can’t be read is set aside and holds nobody up', async () => {
    await world.receive(note({ text: 'unreadable' }), note({ text: 'fine' }));
    expect((await world.rows('sources')).map(({ status }) => status)).toEqual([
      'set_aside',
      'ingested',
    ]);
  });
});

describe('threading', () => {
  test('what follows joins the conversation’s ticket; other people have their own', async () => {
    await world.receive(note({}));
    await world.receive(note({ text: 'and another thing', minute: 5 }));
    await world.receive(note({ who: '+33612345678', name: 'Bea', minute: 6 }));
    expect((await world.rows('tickets')).map(({ message_count: n }) => n)).toEqual([2, 1]);
  });

  test('a batch that comes shuffled begins with what was written first', async () => {
    await world.receive(
      note({ text: 'third', minute: 3 }),
      note({ text: 'first', minute: 1 }),
      note({ text: 'second', minute: 2 }),
    );
    expect(await world.rows('tickets')).toMatchObject([{ subject: 'first', message_count: 3 }]);
  });

  test('a quoted message leads to its own ticket', async () => {
    await world.receive(note({ id: 'wamid.old', text: 'one' }));
    const [old] = await world.rows('tickets');
    await inTenant(db, world.tenantId, (tx) =>
      tx.updateTable('conversations').set({ ticket_id: null }).execute(),
    );
    await world.receive(note({ text: 'two', minute: 9 }));
    expect(await world.rows('tickets')).toHaveLength(2);
    await world.receive(note({ text: 'to the first', quotes: 'wamid.old', minute: 10 }));
    const messages = await world.rows('messages');
    expect(messages.at(-1)).toMatchObject({
      ticket_id: old!.id,
      body: { in_reply_to: ['wamid.old'] },
    });
  });

  test('somebody else’s message is no quote', async () => {
    await world.receive(note({ id: 'wamid.ada' }));
    await world.receive(note({ who: '+33612345678', quotes: 'wamid.ada' }));
    expect((await world.rows('tickets')).map(({ message_count: n }) => n)).toEqual([1, 1]);
  });

  test('a closed ticket is reopened within its window; afterwards a follow-up begins', async () => {
    await world.receive(note({}));
    await setTickets({ status: 'closed', closed_at: new Date() });
    await world.receive(note({ minute: 10 }));
    expect(await world.rows('tickets')).toMatchObject([{ status: 'open', message_count: 2 }]);
    await setTickets({ status: 'closed', closed_at: new Date(Date.now() - 400 * 24 * HOUR_MS) });
    await world.receive(note({ minute: 20 }));
    const [first, second] = await world.rows('tickets');
    expect(second).toMatchObject({ follow_up_of: first!.id, message_count: 1 });
    await world.receive(note({ minute: 30 }));
    expect((await world.rows('tickets')).map(({ message_count: n }) => n)).toEqual([2, 2]);
  });
});

describe('the window', () => {
  test('grows with what the customer wrote last, whatever comes late', async () => {
    await world.receive(note({ minute: 60 }));
    await world.receive(note({ minute: 30 }));
    expect(await world.rows('conversations')).toMatchObject([
      {
        window_ends_at: new Date(START + 25 * HOUR_MS),
        last_inbound_at: new Date(START + HOUR_MS),
      },
    ]);
  });

  test('is as long as the channel’s settings say', async () => {
    world.channel = await world.newChannel({ window_hours: 1 });
    await world.receive(note({}));
    expect(await world.rows('conversations')).toMatchObject([
      { window_ends_at: new Date(START + HOUR_MS) },
    ]);
  });
});
