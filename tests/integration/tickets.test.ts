import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { startApi, type RunningApi } from '../../api/main.ts';
import { claimOutbox, Pending } from '../../db/queries/outbox.ts';
import { queuePolicyChanges } from '../../db/queries/policy-changes.ts';
import { changeTenantSettings, createApiKey, ensureTenant } from '../../db/queries/tenants.ts';
import { newId } from '../../domain/ids.ts';
import { testTemporal } from '../harness/index.ts';
import { startTickets, type Tickets } from '../workflow/ticket-fixture.ts';
import { ACTOR } from '../workflow/ticket-seed.ts';
import { request } from './api-fixture.ts';

let tickets: Tickets;
let api: RunningApi;
let key: string;

beforeAll(async () => {
  const { address, namespace } = await testTemporal();
  tickets = await startTickets({
    nativeConnection: await NativeConnection.connect({ address }),
    connection: await Connection.connect({ address }),
    namespace,
  });
  const { deps } = tickets;
  api = await startApi({ ...deps, config: { ...deps.config, apiPort: 0 }, checkAnswers: true });
  key = (await createApiKey(tickets.db, tickets.tenantId, 'test', ['*'])).key;
});
const opened: string[] = [];
async function open(): Promise<string> {
  const ticketId = await tickets.open(new Date());
  opened.push(ticketId);
  return ticketId;
}

afterAll(async () => {
  await api?.close();
  await tickets?.stop();
});

const call = (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  as = key,
) => request(api.url + path, method, body, { authorization: `Bearer ${as}`, ...headers });

async function until<T>(look: () => Promise<T | null | undefined | false>): Promise<T> {
  for (let left = 1_200; left > 0; left -= 1) {
    const found = await look();
    if (found) return found;
    await sleep(50);
  }
  throw new Error('It did not happen within a minute.');
}

it('a ticket costs at most 40 history events: mail in, one reply, resolved in time, closed', async () => {
  await changeTenantSettings(tickets.db, tickets.tenantId, {
    auto_close_hours: 3 / 3600,
    reopen_window_days: 2 / 86_400,
  });
  await tickets.inDb((tx) =>
    tx
      .insertInto('sla_policies')
      .values({
        id: newId('slaPolicy'),
        tenant_id: tickets.tenantId,
        definition: JSON.stringify({
          name: 'Standard',
          targets: { normal: { first_response_minutes: 60, resolution_minutes: 600 } },
        }),
      })
      .execute(),
  );
  const ticketId = await open();
  expect(await tickets.historyLength(ticketId)).toBe(1);
  await tickets.command(ticketId, 'reply', { text: 'Use the extinguisher.' });
  await until(async () => (await tickets.eventTypes(ticketId)).includes('message.sent'));
  await sleep(300);
  await tickets.command(ticketId, 'setStatus', { status: 'resolved' });
  await tickets.handleOf(ticketId).result();
  const length = await tickets.historyLength(ticketId);
  process.stderr.write(`history events of a ticket: ${length}\n`);
  expect(length).toBeLessThanOrEqual(40);
  expect((await tickets.row(ticketId)).status).toBe('closed');

  // An agent's word to a ticket whose workflow has ended starts it anew, from its ids.
  expect(await tickets.command(ticketId, 'setStatus', { status: 'open' })).toMatchObject({
    ok: true,
  });
  expect((await tickets.eventTypes(ticketId)).at(-1)).toBe('ticket.reopened');
  await changeTenantSettings(tickets.db, tickets.tenantId, {
    auto_close_hours: 96,
    reopen_window_days: 14,
  });
});

it('API: read, change under If-Match, answer, note, find again', async () => {
  const ticketId = await open();
  const shown = await call('GET', `/v1/tickets/${ticketId}`);
  expect(shown.body).toMatchObject({ id: ticketId, status: 'open', message_count: 1 });
  expect(shown.body.workflow_url).toContain(encodeURIComponent(ticketId));
  const path = `/v1/tickets/${shown.body.number}`;

  const match = { 'if-match': shown.headers.get('etag')! };
  const change = { priority: 'high', tags: ['fire'], custom_fields: { floor: 3 } };
  const changed = await call('PATCH', path, change, match);
  expect(changed.status).toBe(200);
  expect(changed.body).toMatchObject(change);
  expect((await call('PATCH', path, { priority: 'low' }, match)).status).toBe(412);
  expect((await call('PATCH', path, { assignee_id: 'agt_nobody' })).status).toBe(422);

  const once = { 'idempotency-key': 'reply-1' };
  const answer = { content: 'Use the extinguisher.', status: 'pending' };
  const first = await call('POST', `${path}/messages`, answer, once);
  const again = await call('POST', `${path}/messages`, answer, once);
  // The answer shows the message as it stands; a fast worker may have sent it by then.
  const status = expect.stringMatching(/^(queued|sent)$/);
  expect(first).toMatchObject({ status: 201, body: { direction: 'outbound', status } });
  expect(again.body.id).toBe(first.body.id);
  expect((await call('POST', `${path}/messages`, {})).status).toBe(422);
  await until(
    async () => (await call('GET', `/v1/messages/${first.body.id}`)).body.status === 'sent',
  );
  const replied = await call('POST', `/v1/messages/${first.body.id}/reply`, {
    html: '<p>And run.</p>',
  });
  expect(replied.body).toMatchObject({
    to: [{ address: 'ada@example.com' }],
    in_reply_to: [first.body.message_id],
    content: 'And run.',
  });
  const note = await call('POST', `${path}/notes`, { text: 'She is calm.' });
  expect(note.body).toMatchObject({ direction: 'internal', kind: 'note' });

  const conversation = await call('GET', `${path}/messages`);
  expect(conversation.body.data.map((message: { direction: string }) => message.direction)).toEqual(
    ['inbound', 'outbound', 'outbound', 'internal'],
  );
  const firstPage = await call('GET', `${path}/timeline?limit=3`);
  const rest = await call('GET', `${path}/timeline?cursor=${firstPage.body.next_cursor}`);
  const entries = [...firstPage.body.data, ...rest.body.data] as {
    id: string;
    type: string;
    event?: { message_id: string | null };
  }[];
  expect(new Set(entries.map(({ id }) => id)).size).toBe(entries.length);
  expect(new Set(entries.map(({ type }) => type))).toEqual(new Set(['message', 'change', 'event']));
  const told = entries.flatMap(({ event }) => (event?.message_id ? [event.message_id] : []));
  expect(entries.map(({ id }) => id)).toEqual(expect.arrayContaining(told));
  expect(told).not.toEqual([]);

  for (const query of ['q=extinguisher+calm', `q=${shown.body.number}`, 'tag=fire&status=pending'])
    expect((await call('GET', `/v1/tickets?${query}`)).body.data).toMatchObject([{ id: ticketId }]);
  expect((await call('GET', '/v1/tickets?q=submarine')).body.data).toEqual([]);

  const stranger = await ensureTenant(tickets.db, 'stranger');
  const { key: strange } = await createApiKey(tickets.db, stranger, 'test', ['*']);
  for (const [method, hidden] of [
    ['GET', path],
    ['GET', `/v1/tickets/${ticketId}`],
    ['GET', `/v1/messages/${first.body.id}`],
    ['PATCH', `/v1/tickets/${ticketId}`],
  ] as const) {
    const body = method === 'PATCH' ? { status: 'closed' } : undefined;
    expect((await call(method, hidden, body, {}, strange)).status).toBe(404);
  }
});

it('a change of policy that was committed but never told reaches the ticket by the drain', async () => {
  const ticketId = await open();
  const dueAt = async () => (await tickets.row(ticketId)).sla?.resolution?.due_at ?? null;
  const before = await dueAt();
  const pending = new Pending(tickets.tenantId);
  await tickets.inDb(async (tx) => {
    await tx
      .updateTable('sla_policies')
      .set({
        definition: JSON.stringify({
          name: 'Faster',
          targets: { normal: { resolution_minutes: 30 } },
        }),
      })
      .execute();
    await queuePolicyChanges(tx, pending, ACTOR);
    await tx
      .updateTable('outbox')
      .set({ leased_until: new Date(0) })
      .execute();
  });
  // The process that wrote it is gone; nothing was flushed.
  expect(await dueAt()).toBe(before);
  for (const work of await claimOutbox(tickets.db, 100)) await tickets.relay.flush(work);
  await until(async () => (await dueAt()) !== before);
  const due = Date.parse((await dueAt())!);
  expect(Math.abs(due - Date.now() - 30 * 60_000)).toBeLessThan(60_000);
});

it('goes on as before after continuing as new', async () => {
  const ticketId = await open();
  await tickets.command(ticketId, 'setStatus', { status: 'pending' });
  const handle = tickets.handleOf(ticketId);
  const { runId } = await handle.describe();
  const renewed = async () => (await handle.describe()).runId !== runId;
  // The tests' server suggests it at 400 events.
  for (let round = 0; round < 250 && !(await renewed()); round += 1) {
    await Promise.all(
      Array.from({ length: 8 }, (_, item) =>
        tickets.command(ticketId, 'setTags', { tags: [`${round}-${item}`] }),
      ),
    );
  }
  await until(renewed);
  expect(
    await tickets.command(ticketId, 'reply', { text: 'Still here.', status: 'open' }),
  ).toMatchObject({ ok: true });
  await until(async () => (await tickets.eventTypes(ticketId)).includes('message.sent'));
  expect((await tickets.row(ticketId)).status).toBe('open');
  expect((await handle.describe()).status.name).toBe('RUNNING');
}, 240_000);

it('every one of these histories replays', async () => {
  await tickets.replayAll(opened);
});
