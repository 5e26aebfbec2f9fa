import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { inTenant } from '../../../db/connection.ts';
import { applyStatuses } from '../../../db/queries/delivery-statuses.ts';
import type { ChannelId } from '../../../domain/ids.ts';
import { openTicket, seedTenant, type Seed } from '../../workflow/ticket-seed.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { sendAnswer } from './sent-answer.ts';

// What a vendor says by a mark in time is said of all that was sent to a person until then, and of nothing else.

let api: TestApi;
let seed: Seed;
let people = 7000;

beforeAll(async () => {
  api = await startTestApi();
  seed = await seedTenant(api.db);
});
afterAll(() => api.close());

interface Talk {
  readonly person: string;
  readonly ticketId: string;
}

/** A conversation with somebody new, whose ticket it is. */
async function conversation(): Promise<Talk> {
  const person = String((people += 1));
  const { tenantId, accountId, requesterId } = seed;
  const ticketId = await openTicket(api.db, seed, new Date());
  await inTenant(api.db, tenantId, (tx) =>
    tx
      .insertInto('conversations')
      .values({
        tenant_id: tenantId,
        channel_id: accountId,
        address: person,
        contact_id: requesterId,
        ticket_id: ticketId,
      })
      .execute(),
  );
  return { person, ticketId };
}

async function send({ person, ticketId }: Talk, meanwhile = async () => {}): Promise<string> {
  const to = { name: 'Ada', address: person };
  const { id } = await sendAnswer(api, seed, { ticketId, from: '900', to, meanwhile });
  return id;
}

const mark = async (person: string, status: 'delivered' | 'read', until: Date) =>
  void (await applyStatuses(api.db, seed.tenantId, seed.accountId as ChannelId, [
    { of: { sentTo: person, until }, status, at: until },
  ]));

const statusOf = (id: string) =>
  inTenant(api.db, seed.tenantId, async (tx) => {
    const { status } = await tx
      .selectFrom('messages')
      .select('status')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return status;
  });

/** A moment after now by Postgres' clock, which notes when a transmission began; vendors tell whole milliseconds. */
async function now(): Promise<Date> {
  const { rows } = await sql<{ at: Date }>`select clock_timestamp() as at`.execute(api.db);
  return new Date(rows[0]!.at.getTime() + 1);
}

test('all that was sent until then is read; what was sent after it is not', async () => {
  const ada = await conversation();
  const bob = await conversation();
  const [first, second, other] = [await send(ada), await send(ada), await send(bob)];
  const between = await now();
  const third = await send(ada);
  await mark(ada.person, 'read', between);
  const statuses = await Promise.all([first, second, third, other].map(statusOf));
  expect(statuses.slice(0, 2)).toEqual(['read', 'read']);
  expect(statuses.slice(2)).not.toContain('read');
});

test('whatever order the marks come in, the end is the same', async () => {
  const ada = await conversation();
  const id = await send(ada);
  const at = await now();
  await mark(ada.person, 'read', at);
  await mark(ada.person, 'delivered', at);
  await mark(ada.person, 'delivered', at);
  expect(await statusOf(id)).toBe('read');
});

test('a mark that comes before the receipt is written is not lost', async () => {
  const ada = await conversation();
  const id = await send(ada, async () => mark(ada.person, 'delivered', await now()));
  expect(await statusOf(id)).toBe('delivered');
});

test('a mark of before a message was sent says nothing of it', async () => {
  const ada = await conversation();
  await mark(ada.person, 'read', await now());
  expect(await statusOf(await send(ada))).not.toBe('read');
});

test('a mark of somebody who was never written to changes nothing', async () => {
  await expect(mark('9999', 'read', await now())).resolves.toBeUndefined();
});

test('of a message that may not have arrived a mark says nothing', async () => {
  const ada = await conversation();
  const id = await send(ada);
  await inTenant(api.db, seed.tenantId, (tx) =>
    tx.updateTable('messages').set({ status: 'uncertain' }).where('id', '=', id).execute(),
  );
  await mark(ada.person, 'read', await now());
  expect(await statusOf(id)).toBe('uncertain');
});
