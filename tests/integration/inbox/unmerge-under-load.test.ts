import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { inTenant, type Db } from '../../../db/connection.ts';
import { mergeContacts } from '../../../db/queries/contact-merge.ts';
import { unmergeContacts } from '../../../db/queries/contact-unmerge.ts';
import { Pending } from '../../../db/queries/outbox.ts';
import { chatWorld, openDatabase } from '../chat/world.ts';

let db: Db;
beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());

it('contacts merged and parted while they write end with what is their own', async () => {
  const world = await chatWorld(db);
  const people = Array.from({ length: 9 }, (_, n) => `+4917012345${String(n).padStart(2, '0')}`);
  const write = (round: number) =>
    world.receive(
      ...people.map((who, n) => ({ id: `m.${round}.${n}`, who, text: 'Hi', at: new Date() })),
    );
  await write(0);
  const address = new Map((await addresses()).map((row) => [row.contact_id, row.address]));
  const contacts = [...address.keys()];
  const by = { actor: { type: 'agent', id: 'agt_test' }, reason: 'as it seemed' } as const;
  const pending = () => new Pending(world.tenantId);
  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(db, world.tenantId, work);

  async function addresses() {
    return inTenant(db, world.tenantId, (tx) =>
      tx.selectFrom('contact_addresses').selectAll().execute(),
    );
  }

  const mistake = async (n: number) => {
    const [into, other] = [contacts[n % 3]!, contacts[n]!];
    await inDb((tx) => mergeContacts(tx, pending(), world.tenantId, { into, other, ...by }));
    const parted = await inDb((tx) =>
      unmergeContacts(tx, pending(), world.tenantId, { from: into, other, ...by }),
    );
    expect(parted).toEqual({ outcome: 'apart', contactId: other });
  };
  const writing = (async () => {
    for (let round = 1; round <= 5; round += 1) await write(round);
  })();
  await Promise.all([writing, ...contacts.slice(3).map((_, n) => mistake(n + 3))]);

  expect(new Map((await addresses()).map((row) => [row.contact_id, row.address]))).toEqual(address);
  const talks = await world.rows('conversations');
  expect(new Map(talks.map((row) => [row.contact_id, row.address]))).toEqual(address);
  const tickets = await world.rows('tickets');
  const ticketOf = new Map(talks.map((row) => [row.contact_id, row.ticket_id]));
  expect(new Map(tickets.map((row) => [row.requester_id, row.id]))).toEqual(ticketOf);
  const parts = await inDb((tx) => tx.selectFrom('ticket_participants').selectAll().execute());
  expect(parts).toHaveLength(people.length);
  expect(new Map(parts.map((row) => [row.contact_id, row.ticket_id]))).toEqual(ticketOf);
  expect(await world.rows('messages')).toHaveLength(6 * people.length);
});
