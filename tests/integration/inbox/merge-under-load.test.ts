import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { inTenant, type Db } from '../../../db/connection.ts';
import { mergeContacts } from '../../../db/queries/contact-merge.ts';
import { Pending } from '../../../db/queries/outbox.ts';
import { chatWorld, openDatabase } from '../chat/world.ts';

let db: Db;
beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.destroy());

it('contacts merged while their messages come in leave nothing to those that are gone', async () => {
  const world = await chatWorld(db);
  const people = Array.from({ length: 12 }, (_, n) => `+49170123450${String(n).padStart(2, '0')}`);
  const write = (round: number) =>
    world.receive(
      ...people.map((who, n) => ({ id: `m.${round}.${n}`, who, text: 'Hi', at: new Date() })),
    );
  await write(0);
  const contacts = (await world.rows('contacts')).map(({ id }) => id);
  const merge = async (n: number) => {
    await sleep(n * 15);
    await inTenant(db, world.tenantId, (tx) =>
      mergeContacts(tx, new Pending(world.tenantId), world.tenantId, {
        into: contacts[n % 3]!,
        other: contacts[n]!,
        actor: { type: 'agent', id: 'agt_test' },
        reason: 'known to be one',
      }),
    );
  };
  const writing = (async () => {
    for (let round = 1; round <= 6; round += 1) await write(round);
  })();
  await Promise.all([writing, ...contacts.slice(3).map((_, n) => merge(n + 3))]);

  const { rows } = await inTenant(db, world.tenantId, (tx) =>
    sql<{ left: number }>`
      select count(*) as left from contacts gone where merged_into is not null and (
        exists (select from tickets where requester_id = gone.id)
        or exists (select from ticket_participants where contact_id = gone.id)
        or exists (select from conversations where contact_id = gone.id)
        or exists (select from contact_addresses where contact_id = gone.id)
        or exists (select from contacts next where next.id = gone.merged_into and next.merged_into is not null))`.execute(
      tx,
    ),
  );
  expect(rows[0]!.left).toBe(0);
  const all = await world.rows('contacts');
  expect(all.filter(({ merged_into: into }) => into === null).map(({ id }) => id)).toEqual(
    contacts.slice(0, 3),
  );
  expect(await world.rows('messages')).toHaveLength(7 * people.length);
  expect(await world.rows('tickets')).toHaveLength(people.length);
});
