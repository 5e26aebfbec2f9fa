import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { inTenant, type Db } from '../../../db/connection.ts';
import { applyStatuses } from '../../../db/queries/delivery-statuses.ts';
import { showMessage } from '../../../db/queries/messages.ts';
import { lockTickets } from '../../../db/queries/tickets.ts';
import { newId } from '../../../domain/ids.ts';
import { eventually } from '../../harness/index.ts';
import { notesOf, START } from './pigeon.ts';
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

const note = notesOf(ADA, 'mid.');

const statuses = async () => (await world.rows('sources')).map(({ status }) => status);
const eventTypes = async () => (await world.rows('events')).map(({ type }) => type);
const firstResponse = async () => {
  const [ticket] = await world.rows('tickets');
  return (ticket!.sla as { first_response: { met_at: string | null } }).first_response;
};

/** A message of ours as sending leaves it at some moment. */
async function ownSend(fields: {
  status: string;
  send_phase: 'claimed' | 'transmitting' | 'done';
  provider_message_id?: string;
  content?: string;
}): Promise<string> {
  const [ticket] = await world.rows('tickets');
  const id = newId('message');
  const { content = 'ours', ...columns } = fields;
  await inTenant(db, world.tenantId, (tx) =>
    tx
      .insertInto('messages')
      .values({
        id,
        tenant_id: world.tenantId,
        ticket_id: ticket!.id,
        channel_id: world.channel.facts.id,
        direction: 'outbound',
        ...columns,
        body: JSON.stringify({
          to: [{ name: '', address: ADA }],
          content,
          attachments: [],
          metadata: { service_specific_data: {}, platform_specific: {} },
        }),
        timestamp: new Date(),
      })
      .execute(),
  );
  return id;
}

const update = (id: string, fields: Record<string, unknown>) =>
  inTenant(db, world.tenantId, (tx) =>
    tx.updateTable('messages').set(fields).where('id', '=', id).execute(),
  );

describe('what was sent beside us', () => {
  test('joins the conversation’s ticket as an agent’s answer, once', async () => {
    await world.receive(note());
    expect((await firstResponse()).met_at).toBeNull();
    const echo = note({ echo: true, text: 'We are on it', minute: 1 });
    expect(await world.receive(echo)).toBe(1);
    await world.receive(echo);
    const [, answer, ...more] = await world.rows('messages');
    expect(more).toEqual([]);
    expect(answer).toMatchObject({
      direction: 'outbound',
      status: 'sent',
      ticket_id: (await world.rows('tickets'))[0]!.id,
      provider_message_id: echo.id,
    });
    expect(await eventTypes()).toEqual(['ticket.created', 'message.received', 'message.sent']);
    expect((await firstResponse()).met_at).not.toBeNull();
    expect(await world.rows('conversations')).toMatchObject([
      { window_ends_at: new Date(START + 24 * 3_600_000) },
    ]);
  });

  test('in the same batch as the customer’s first message it is on that ticket', async () => {
    await world.receive(note({ echo: true, text: 'Welcome', minute: 1 }), note());
    expect(await world.rows('tickets')).toMatchObject([{ message_count: 2 }]);
  });

  test('begins no ticket, and answers nothing that was written after it', async () => {
    await world.receive(note({ echo: true, text: 'A greeting' }));
    expect(await world.rows('tickets')).toEqual([]);
    expect(await eventTypes()).toEqual(['message.sent']);
    expect(await world.rows('conversations')).toMatchObject([
      { ticket_id: null, window_ends_at: null },
    ]);
    await world.receive(note({ minute: 5 }));
    await world.receive(note({ echo: true, text: 'late', minute: 4 }));
    expect((await firstResponse()).met_at).toBeNull();
    expect(await world.rows('tickets')).toMatchObject([{ message_count: 2 }]);
  });

  test('that overtook the message it answers joins the ticket which that begins', async () => {
    await world.receive(note({ echo: true, text: 'long ago', minute: -60 }));
    await world.receive(note({ echo: true, text: 'We are on it', minute: 1 }));
    await world.receive(note());
    const [ticket] = await world.rows('tickets');
    expect(ticket).toMatchObject({ message_count: 2 });
    expect((await world.rows('messages')).map((row) => row.ticket_id)).toEqual([
      null,
      ticket!.id,
      ticket!.id,
    ]);
    expect((await firstResponse()).met_at).not.toBeNull();
    const [, echo] = await world.rows('messages');
    const told = (await world.rows('events')).filter(
      ({ data }) => (data as { message?: { id: string } }).message?.id === echo!.id,
    );
    // It was sent before it had a ticket, and both is told once.
    expect(told).toMatchObject([
      { type: 'message.sent', ticket_id: null },
      {
        type: 'message.updated',
        ticket_id: ticket!.id,
        data: { message: { ticket_id: ticket!.id, status: 'sent' } },
      },
    ]);
  });

  test('takes what its vendor had said of it before', async () => {
    await world.receive(note());
    const at = new Date(START);
    const said = (status: 'sent' | 'delivered' | 'read', of: string) =>
      ({ of: { providerMessageId: of }, status, at }) as const;
    await applyStatuses(db, world.tenantId, world.channel.facts.id, [
      said('delivered', 'mid.e1'),
      said('read', 'mid.e2'),
      said('sent', 'mid.e1'),
    ]);
    await world.receive(
      note({ id: 'mid.e1', echo: true, minute: 1 }),
      note({ id: 'mid.e2', echo: true, minute: 2 }),
    );
    expect((await world.rows('messages')).map(({ status }) => status)).toEqual([
      'received',
      'delivered',
      'read',
    ]);
  });

  test('its files are fetched once it is stored', async () => {
    await world.receive(note());
    world.pigeon.files.set('pic', Buffer.from('plain'));
    await world.receive(note({ echo: true, files: [{ id: 'pic' }] }));
    expect(await world.rows('attachments')).toEqual([]);
    expect(await world.fetchFiles()).toBeNull();
    expect(await world.rows('attachments')).toMatchObject([{ filename: 'attachment-1.txt' }]);
  });
});

describe('our own send that comes back', () => {
  beforeEach(async () => {
    await world.receive(note());
  });

  test('after its receipt is known by the vendor’s id', async () => {
    const id = await ownSend({
      status: 'sent',
      send_phase: 'done',
      provider_message_id: 'mid.ours',
    });
    expect(await world.receive(note({ id: 'mid.ours', echo: true, text: 'ours' }))).toBe(0);
    expect(await world.rows('messages')).toHaveLength(2);
    expect((await world.rows('sources')).at(-1)).toMatchObject({
      status: 'filtered',
      message_id: id,
    });
  });

  test('before its receipt it waits for it', async () => {
    const id = await ownSend({ status: 'queued', send_phase: 'transmitting' });
    await world.receive(note({ id: 'mid.early', echo: true, text: 'ours' }));
    expect(await statuses()).toEqual(['ingested', 'staged']);
    expect(await world.fetchFiles()).toBe(5);
    await update(id, { status: 'sent', send_phase: 'done', provider_message_id: 'mid.early' });
    await world.ingest();
    expect(await statuses()).toEqual(['ingested', 'filtered']);
    expect(await world.rows('messages')).toHaveLength(2);
    expect(await world.fetchFiles()).toBeNull();
  });

  test('carrying our own id it is known at once', async () => {
    const id = await ownSend({ status: 'queued', send_phase: 'transmitting' });
    await world.receive(note({ id: 'mid.marked', echo: true, sentAs: id }));
    expect(await statuses()).toEqual(['ingested', 'filtered']);
    expect((await world.rows('messages')).at(-1)).toMatchObject({
      id,
      status: 'queued',
      provider_message_id: 'mid.marked',
    });
  });

  test('that was only accepted is sent, and no report of it is missed', async () => {
    const due = { receipt_due_at: new Date(), error: JSON.stringify({ code: 'receipt.missing' }) };
    const id = await ownSend({
      status: 'accepted',
      send_phase: 'done',
      provider_message_id: 'mid.taken',
    });
    const read = await ownSend({
      status: 'read',
      send_phase: 'done',
      provider_message_id: 'mid.read',
    });
    await update(id, due);
    await world.receive(
      note({ id: 'mid.taken', echo: true, text: 'ours' }),
      note({ id: 'mid.read', echo: true, text: 'ours' }),
      note({ id: 'mid.beside', echo: true, text: 'not ours' }),
    );
    const shown = (await world.rows('messages')).filter((row) => [id, read].includes(row.id));
    expect(shown).toMatchObject([
      { status: 'sent', receipt_due_at: null, error: null },
      { status: 'read' },
    ]);
    expect(await eventTypes()).toEqual(['ticket.created', 'message.received', 'message.sent']);
  });

  test('ends the doubt whether it went out', async () => {
    await ownSend({ status: 'uncertain', send_phase: 'done', content: 'Your refund is coming' });
    await world.receive(note({ id: 'mid.x', echo: true, text: 'Something else' }));
    await world.receive(note({ id: 'mid.doubt', echo: true, text: 'Your refund is coming' }));
    expect(await world.rows('messages')).toMatchObject([
      { direction: 'inbound' },
      { status: 'sent', provider_message_id: 'mid.doubt' },
      { status: 'sent', provider_message_id: 'mid.x' },
    ]);
    expect(await eventTypes()).toEqual([
      'ticket.created',
      'message.received',
      'message.sent',
      'message.sent',
    ]);
  });
});

describe('a reaction', () => {
  const react = (to: string, emoji: string, minute: number) =>
    note({ text: '', reaction: { to, emoji }, minute });
  const shown = async (at = 0) => {
    const row = (await world.rows('messages'))[at]!;
    const message = (await showMessage(db, world.tenantId, row.id))!;
    return message.metadata.platform_specific['reactions'];
  };

  test('marks its message; it is no message, and moves no ticket', async () => {
    await world.receive(note({ id: 'mid.said' }));
    const [before] = await world.rows('tickets');
    expect(await world.receive(react('mid.said', '👍', 1))).toBe(0);
    expect(await shown()).toEqual([
      { address: ADA, emoji: '👍', at: new Date(START + 60_000).toISOString() },
    ]);
    const [after] = await world.rows('tickets');
    expect({ ...after, sequence: 0 }).toEqual({ ...before, sequence: 0 });
    expect(await eventTypes()).toEqual(['ticket.created', 'message.received', 'message.updated']);
    expect(await statuses()).toEqual(['ingested', 'ingested']);
    expect(await world.rows('conversations')).toMatchObject([
      { window_ends_at: new Date(START + 60_000 + 24 * 3_600_000) },
    ]);
  });

  test('waits for its ticket without holding its message, which whoever has the ticket may want', async () => {
    await world.receive(note({ id: 'mid.locked' }));
    const [[ticket], [message]] = [await world.rows('tickets'), await world.rows('messages')];
    await world.stage(react('mid.locked', '👍', 1));
    const ingesting = await inTenant(db, world.tenantId, async (tx) => {
      await lockTickets(tx, [ticket!.id]);
      const marking = world.ingest();
      await eventually(async () => {
        const { rows } = await sql`
          select from pg_locks
           where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))`.execute(tx);
        expect(rows).not.toEqual([]);
      });
      await sql`select from messages where id = ${message!.id} for update nowait`.execute(tx);
      return { marking };
    });
    await ingesting.marking;
    expect(await shown()).toMatchObject([{ emoji: '👍' }]);
  });

  test('the later of two counts, whatever order they come in; an empty one takes it back', async () => {
    await world.receive(note({ id: 'mid.m' }));
    await world.receive(react('mid.m', '❤️', 5));
    await world.receive(react('mid.m', '👍', 2));
    expect(await shown()).toMatchObject([{ emoji: '❤️' }]);
    await world.receive(react('mid.m', '', 9));
    await world.receive(react('mid.m', '😀', 7));
    expect(await shown()).toBeUndefined();
  });

  test('that overtakes its message waits for it', async () => {
    await world.receive(react('mid.late', '👍', 1));
    expect(await statuses()).toEqual(['staged']);
    await world.receive(note({ id: 'mid.late' }));
    await world.ingest();
    expect(await shown()).toMatchObject([{ emoji: '👍' }]);
  });

  test('to a message that never comes is kept in the journal', async () => {
    await world.receive(react('mid.none', '👍', 1));
    await inTenant(db, world.tenantId, (tx) =>
      tx
        .updateTable('sources')
        .set({ received_at: new Date(Date.now() - 3_600_000) })
        .execute(),
    );
    await world.ingest();
    expect(await world.rows('sources')).toMatchObject([
      {
        status: 'filtered',
        filtered: { by: 'door', detail: 'It is a reaction to a message that is not here.' },
      },
    ]);
  });
});

describe('opting out', () => {
  const optedOut = async () => (await world.rows('conversations'))[0]?.opted_out_at ?? null;

  test.each(['STOP', ' stop! ', 'Abmelden', 'désabonner', 'СТОП', '退订'])(
    '"%s" is honoured, and begins no ticket',
    async (text) => {
      await world.receive(note({ text }));
      expect(await optedOut()).toEqual(new Date(START));
      expect(await world.rows('tickets')).toEqual([]);
      const [row] = await world.rows('messages');
      const message = await showMessage(db, world.tenantId, row!.id);
      expect(message!.metadata.platform_specific['ticketless']).toBe(
        'The customer asked to hear no more.',
      );
    },
  );

  test.each(['Please stop by tomorrow', 'Stop it, and send my kettle', 'nonstop'])(
    '"%s" is no such word',
    async (text) => {
      await world.receive(note({ text }));
      expect(await optedOut()).toBeNull();
      expect(await world.rows('tickets')).toHaveLength(1);
    },
  );

  test('on an open ticket it joins and asks for no answer', async () => {
    await world.receive(note());
    await inTenant(db, world.tenantId, (tx) =>
      tx.updateTable('tickets').set({ status: 'pending' }).execute(),
    );
    await world.receive(note({ text: 'Stop', minute: 1 }));
    expect(await world.rows('tickets')).toMatchObject([{ status: 'pending', message_count: 2 }]);
  });

  test('START takes it back, and an older STOP that comes late changes nothing', async () => {
    await world.receive(note({ text: 'STOP', minute: 1 }));
    await world.receive(note({ text: 'Start', minute: 3 }));
    expect(await optedOut()).toBeNull();
    await world.receive(note({ text: 'STOP', minute: 2 }));
    expect(await optedOut()).toBeNull();
  });
});

describe('a notice', () => {
  test('joins what it speaks of and moves nothing; by itself it begins no ticket', async () => {
    await world.receive(note({ notice: true, text: 'Ada came by a link' }));
    expect(await world.rows('tickets')).toEqual([]);
    await world.receive(note({ id: 'mid.taken', minute: 1 }));
    await inTenant(db, world.tenantId, (tx) =>
      tx.updateTable('tickets').set({ status: 'resolved', resolved_at: new Date() }).execute(),
    );
    await world.receive(
      note({ notice: true, quotes: 'mid.taken', text: 'Ada took it back', minute: 2 }),
    );
    expect(await world.rows('tickets')).toMatchObject([{ status: 'resolved', message_count: 2 }]);
    expect(await world.rows('conversations')).toMatchObject([
      { last_inbound_at: new Date(START + 60_000) },
    ]);
  });
});

describe('a channel that begins no tickets', () => {
  test('keeps the message without one and says why; what belongs to a ticket joins it', async () => {
    await world.receive(note({ id: 'mid.there' }));
    const creating = world.channel;
    const { facts } = creating;
    world.channel = { ...creating, facts, settings: { ticket_creation_enabled: false } };
    await world.receive(note({ who: '+33612345678', name: 'Bea' }));
    await world.receive(note({ minute: 3 }));
    expect(await world.rows('tickets')).toMatchObject([{ message_count: 2 }]);
    const alone = (await world.rows('messages')).find((row) => row.ticket_id === null);
    const message = await showMessage(db, world.tenantId, alone!.id);
    expect(message!.metadata.platform_specific['ticketless']).toBe(
      'The channel begins no tickets: ticket_creation_enabled is false.',
    );
    expect(await eventTypes()).toContain('message.received');
  });
});
