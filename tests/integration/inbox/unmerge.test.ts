import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, type ChannelId, type ContactId, type TicketId } from '../../../domain/ids.ts';
import { eventually } from '../../harness/index.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { minute, scene, type Scene } from './scene.ts';

// A merge that was wrong: who was made one is two again, each with what came through their own addresses.

let api: TestApi;
let client: Client;
let rows: Scene;
let mail: ChannelId;
let chat: ChannelId;
let ada: ContactId;
let bob: ContactId;
let adasTicket: TicketId;
let bobsTicket: TicketId;

const ADA = 'ada@example.com';
const BOB = '+4915112345678';

beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

beforeEach(async () => {
  client = await api.client(newId('tenant'));
  rows = scene(api.db, client.tenantId);
  mail = await rows.channel('imap', 'mail');
  chat = await rows.channel('whatsapp', 'chat');
  ada = await rows.contact('Ada', ADA);
  bob = await rows.contact('Bob', BOB);
  adasTicket = await rows.ticket(mail, 'imap', ada);
  bobsTicket = await rows.ticket(chat, 'whatsapp', bob);
  await byMail(adasTicket, 1);
  await byChat(bobsTicket, 2);
  await rows.talk(chat, bob, BOB, { ticket_id: bobsTicket });
});

const byMail = (ticketId: TicketId, at: number, more: object = {}) =>
  rows.said({
    channelId: mail,
    provider: 'imap',
    ticketId,
    who: 'Ada@Example.com',
    at: minute(at),
    ...more,
  });
const byChat = (ticketId: TicketId, at: number) =>
  rows.said({ channelId: chat, provider: 'whatsapp', ticketId, who: BOB, at: minute(at) });

const post = (path: string, body: object) => client.call('POST', path, body);
const get = async (path: string) => (await client.call('GET', path)).body;
const merge = (into: string, other: string) =>
  post(`/v1/contacts/${into}/merge`, { contact_id: other, reason: 'Both wrote of order 1815.' });
const unmerge = (from: string, other: string) =>
  post(`/v1/contacts/${from}/unmerge`, { contact_id: other, reason: 'He is her brother.' });
const requester = async (ticket: string) => (await get(`/v1/tickets/${ticket}`)).requester.id;
const participants = async (ticket: string) =>
  ((await get(`/v1/tickets/${ticket}`)).participants as { id: string }[])
    .map(({ id }) => id)
    .toSorted();

/** As ingestion begins it: after what was done before. */
async function begunNow(channel: ChannelId, provider: string, by: ContactId): Promise<TicketId> {
  const id = await rows.ticket(channel, provider, by);
  await rows.inDb((tx) =>
    tx.updateTable('tickets').set({ created_at: new Date() }).where('id', '=', id).execute(),
  );
  return id;
}

describe('two contacts that were wrongly made one', () => {
  it('are two again, each with addresses, conversations and tickets of their own', async () => {
    await merge(ada, bob);
    const before = await get(`/v1/tickets/${bobsTicket}`);
    const parted = await unmerge(ada, bob);
    expect([parted.status, parted.body]).toEqual([
      200,
      expect.objectContaining({ id: bob, name: 'Bob', addresses: [BOB] }),
    ]);
    expect(await get(`/v1/contacts/${ada}`)).toMatchObject({ id: ada, addresses: [ADA] });
    expect(await get(`/v1/contacts/${bob}`)).toEqual(parted.body);
    expect([await requester(adasTicket), await requester(bobsTicket)]).toEqual([ada, bob]);
    expect([await participants(adasTicket), await participants(bobsTicket)]).toEqual([
      [ada],
      [bob],
    ]);
    expect((await get(`/v1/tickets/${bobsTicket}`)).version).toBe(before.version + 1);
    const talks = await rows.inDb((tx) =>
      tx.selectFrom('conversations').select('contact_id').execute(),
    );
    expect(talks).toEqual([{ contact_id: bob }]);
    for (const [contact, own] of [
      [ada, adasTicket],
      [bob, bobsTicket],
    ] as const) {
      const { data } = await get(`/v1/contacts/${contact}/messages`);
      expect((data as { ticket_id: string }[]).map(({ ticket_id: of }) => of)).toEqual([own]);
    }
  });

  it('take along what was begun through their addresses since, and no more', async () => {
    await merge(ada, bob);
    const [hers, his] = [await begunNow(mail, 'imap', ada), await begunNow(chat, 'whatsapp', ada)];
    await byMail(hers, 10);
    await byChat(his, 11);
    // Both have a part in hers.
    await byMail(hers, 12, { direction: 'outbound', cc: [BOB] });
    await unmerge(ada, bob);
    expect([await requester(hers), await requester(his)]).toEqual([ada, bob]);
    expect(await participants(hers)).toEqual([ada, bob].toSorted());
    expect(await participants(his)).toEqual([bob]);
  });

  it('are told of once, in the audit trail and as an event; a repeat does nothing', async () => {
    await merge(ada, bob);
    const first = await unmerge(ada, bob);
    const again = await unmerge(ada, bob);
    expect([again.status, again.body]).toEqual([200, first.body]);
    await eventually(async () => {
      const { data } = await get('/v1/events?types=contact.unmerged');
      const told = data.filter(({ type }: { type: string }) => type === 'contact.unmerged');
      expect(told).toMatchObject([
        {
          data: {
            contact: { id: ada, addresses: [ADA] },
            unmerged: { contact: { id: bob, addresses: [BOB] }, ticket_ids: [bobsTicket] },
          },
        },
      ]);
    });
    const { data } = await get(`/v1/tickets/${bobsTicket}/timeline`);
    expect(
      data.filter(({ action }: { action?: string }) => action === 'contact.unmerged'),
    ).toMatchObject([{ reason: 'He is her brother.', changes: { requester_id: [ada, bob] } }]);
  });

  it('can be made one anew, and two again', async () => {
    await merge(ada, bob);
    await unmerge(ada, bob);
    await merge(bob, ada);
    expect((await get(`/v1/contacts/${ada}`)).id).toBe(bob);
    expect((await unmerge(bob, ada)).status).toBe(200);
    expect([await requester(adasTicket), await requester(bobsTicket)]).toEqual([ada, bob]);
    expect(await get(`/v1/contacts/${ada}`)).toMatchObject({ name: 'Ada', addresses: [ADA] });
  });

  it('take back what the other had for want of its own, unless it was changed since', async () => {
    const nameless = await rows.contact(null, 'someone@example.com');
    await client.call('PATCH', `/v1/contacts/${bob}`, { time_zone: 'Europe/Berlin' });
    await merge(nameless, bob);
    expect(await get(`/v1/contacts/${nameless}`)).toMatchObject({
      name: 'Bob',
      time_zone: 'Europe/Berlin',
    });
    await client.call('PATCH', `/v1/contacts/${nameless}`, { time_zone: 'Asia/Tokyo' });
    await unmerge(nameless, bob);
    expect(await get(`/v1/contacts/${nameless}`)).toMatchObject({
      name: null,
      time_zone: 'Asia/Tokyo',
    });
    expect(await get(`/v1/contacts/${bob}`)).toMatchObject({
      name: 'Bob',
      time_zone: 'Europe/Berlin',
    });
  });

  it('keep what became of their addresses', async () => {
    await merge(ada, bob);
    await rows.inDb((tx) =>
      tx
        .updateTable('contacts')
        .set({ undeliverable: [BOB, ADA] })
        .where('id', '=', ada)
        .execute(),
    );
    await unmerge(ada, bob);
    expect((await get(`/v1/contacts/${ada}`)).undeliverable).toEqual([ADA]);
    expect((await get(`/v1/contacts/${bob}`)).undeliverable).toEqual([BOB]);
  });

  it('of a chain the one that is parted takes along who had become it before', async () => {
    const carl = await rows.contact('Carl', 'carl@example.com');
    const carls = await rows.ticket(mail, 'imap', carl);
    await merge(bob, carl);
    await merge(ada, bob);
    await unmerge(ada, bob);
    expect(await get(`/v1/contacts/${carl}`)).toMatchObject({
      id: bob,
      addresses: [BOB, 'carl@example.com'],
    });
    expect([await requester(carls), await requester(bobsTicket)]).toEqual([bob, bob]);
    await unmerge(bob, carl);
    expect([await requester(carls), await requester(bobsTicket)]).toEqual([carl, bob]);
  });

  it('of a chain its first can be parted from its last', async () => {
    const carl = await rows.contact('Carl', 'carl@example.com');
    const carls = await rows.ticket(mail, 'imap', carl);
    await merge(bob, carl);
    await merge(ada, bob);
    expect((await unmerge(ada, carl)).body).toMatchObject({ addresses: ['carl@example.com'] });
    expect([await requester(carls), await requester(bobsTicket)]).toEqual([carl, ada]);
    await unmerge(ada, bob);
    expect(await requester(carls)).toBe(carl);
    expect(await get(`/v1/contacts/${bob}`)).toMatchObject({ id: bob, addresses: [BOB] });
  });
});

describe('a merge is not undone', () => {
  const problem = ({ status, body }: { status: number; body: { type: string } }) => [
    status,
    body.type.split(':').at(-1),
  ];

  it('where it was with another contact, or who stays is named in its place', async () => {
    const carl = await rows.contact('Carl', 'carl@example.com');
    await merge(ada, bob);
    expect(problem(await unmerge(carl, bob))).toEqual([409, 'merged_elsewhere']);
    for (const id of [ada, bob])
      expect((await unmerge(id, ada)).body.errors).toMatchObject([{ pointer: '/contact_id' }]);
    expect((await unmerge(ada, newId('contact'))).status).toBe(422);
    expect((await unmerge(newId('contact'), bob)).status).toBe(404);
    expect((await get(`/v1/contacts/${bob}`)).id).toBe(ada);
  });

  it('where nothing tells any more what came with the other', async () => {
    await merge(ada, bob);
    await client.call('PATCH', `/v1/contacts/${ada}`, { addresses: [ADA] });
    const { status, body } = await unmerge(ada, bob);
    expect(problem({ status, body })).toEqual([409, 'cannot_tell_apart']);
    expect(body.detail).toMatch(/give it its addresses back/);
    await client.call('PATCH', `/v1/contacts/${ada}`, { addresses: [ADA, BOB] });
    expect((await unmerge(ada, bob)).status).toBe(200);
    await merge(ada, bob);
    await rows.inDb((tx) =>
      tx
        .updateTable('audit')
        .set({ action: 'forgotten' })
        .where('action', '=', 'contact.merged')
        .execute(),
    );
    expect(problem(await unmerge(ada, bob))).toEqual([409, 'cannot_tell_apart']);
    expect((await get(`/v1/contacts/${bob}`)).id).toBe(ada);
  });

  it('by another tenant, or without a reason', async () => {
    await merge(ada, bob);
    const stranger = await api.client(newId('tenant'));
    const body = { contact_id: bob, reason: 'x' };
    const path = `/v1/contacts/${ada}/unmerge`;
    expect((await stranger.call('POST', path, body)).status).toBe(404);
    expect((await post(path, { contact_id: bob })).body.errors[0].pointer).toBe('/reason');
    expect((await get(`/v1/contacts/${bob}`)).id).toBe(ada);
  });

  it('twice, however many ask at the same time', async () => {
    await merge(ada, bob);
    const answers = await Promise.all([1, 2, 3, 4].map(() => unmerge(ada, bob)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const told = await rows.inDb((tx) =>
      tx.selectFrom('audit').select('id').where('action', '=', 'contact.unmerged').execute(),
    );
    expect(told).toHaveLength(2); // of the contact, and of his ticket
  });
});
