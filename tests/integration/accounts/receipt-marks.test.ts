import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { sql } from 'kysely';
import { createSendingActivities } from '../../../activities/sending.ts';
import { inTenant } from '../../../db/connection.ts';
import { applyStatuses } from '../../../db/queries/delivery-statuses.ts';
import { insertWritten } from '../../../db/queries/outgoing.ts';
import { newId, type ChannelId } from '../../../domain/ids.ts';
import { writtenMessage } from '../../../domain/reply.ts';
import type { ChannelProvider } from '../../../providers/contract.ts';
import { manifest } from '../../../providers/smtp/manifest.ts';
import { openTicket, seedTenant, type Seed } from '../../workflow/ticket-seed.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';

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

/** An answer, handed over by the real sending; `meanwhile` runs before its vendor's receipt is written. */
async function send({ person, ticketId }: Talk, meanwhile = async () => {}): Promise<string> {
  const { tenantId, accountId } = seed;
  const now = new Date();
  const id = newId('message');
  const body = writtenMessage({
    provider: 'smtp',
    direction: 'outbound',
    kind: 'message',
    status: 'queued',
    sender: { name: 'Support', address: '900' },
    to: [{ name: 'Ada', address: person }],
    cc: [],
    subject: 'Printer on fire',
    text: 'An answer.',
    html: null,
    messageId: `${id}@acme.test`,
    answered: null,
    now,
  });
  await inTenant(api.db, tenantId, (tx) =>
    insertWritten(tx, {
      id,
      tenantId,
      ticketId,
      channelId: accountId,
      authorId: null,
      body,
      now,
      sendBy: new Date(now.getTime() + 3_600_000),
    }),
  );
  const provider = {
    manifest,
    sender: {
      async send(_call: unknown, _message: unknown, transmitting: () => Promise<void>) {
        await transmitting();
        await meanwhile();
        return { providerMessageId: `vendor-${id}` };
      },
    },
  } as unknown as ChannelProvider; // as the registry registers its own
  const activities = createSendingActivities(api.deps, { findProvider: () => provider });
  await new MockActivityEnvironment().run(() =>
    activities.sendMessage({ tenantId, ticketId, messageId: id }),
  );
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
