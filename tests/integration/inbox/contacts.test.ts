import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, type ChannelId, type ContactId, type TicketId } from '../../../domain/ids.ts';
import { eventually } from '../../harness/index.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { minute, scene, type Scene } from './scene.ts';

let api: TestApi;
let client: Client;
let stranger: Client;
let rows: Scene;
let mail: ChannelId;
let chat: ChannelId;
let byMail: ContactId;
let byChat: ContactId;
let mailTicket: TicketId;
let chatTicket: TicketId;
let someone: ContactId;
let otherTicket: TicketId;

const NUMBER = '+4915112345678';

beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

/** One person on mail and on WhatsApp, known as two; somebody else's ticket, in which they had a part. */
beforeEach(async () => {
  const name = newId('tenant');
  client = await api.client(name);
  stranger = await api.client(`not ${name}`);
  rows = scene(api.db, client.tenantId);
  mail = await rows.channel('imap', 'mail');
  chat = await rows.channel('whatsapp', 'chat');
  byMail = await rows.contact('Ada Lovelace', 'ada@example.com');
  byChat = await rows.contact('ada', NUMBER);
  someone = await rows.contact('Byron', 'byron@example.com');
  mailTicket = await rows.ticket(mail, 'imap', byMail);
  chatTicket = await rows.ticket(chat, 'whatsapp', byChat);
  otherTicket = await rows.ticket(mail, 'imap', someone, [someone, byMail, byChat]);
  await rows.talk(chat, byChat, NUMBER, {
    ticket_id: chatTicket,
    window_ends_at: new Date(Date.now() + 3_600_000),
  });
});

const get = async (path: string, by = client) => (await by.call('GET', path)).body;
const ids = (body: { data: { id: string }[] }) => body.data.map(({ id }) => id);

const onMail = (at: number, more: object = {}) =>
  rows.said({
    channelId: mail,
    provider: 'imap',
    ticketId: mailTicket,
    who: 'Ada@example.com',
    at: minute(at),
    ...more,
  });
const onChat = (at: number, more: object = {}) =>
  rows.said({
    channelId: chat,
    provider: 'whatsapp',
    ticketId: chatTicket,
    who: NUMBER,
    at: minute(at),
    ...more,
  });

describe('contacts', () => {
  it.each(['+49 151', '0049 (151) 123-45678', '4915112345678', '0151 12345678', '0151-12345678'])(
    'are found by their number, written %s',
    async (q) => {
      expect(ids(await get(`/v1/contacts?q=${encodeURIComponent(q)}`))).toEqual([byChat]);
    },
  );

  it('are given addresses in any spelling, each kept in one', async () => {
    const url = `/v1/contacts/${byMail}`;
    const changed = await client.call('PATCH', url, {
      addresses: ['Ada@Example.com', '0049 30 901820', '+49 30 90 18 20', '7301234567890123'],
      time_zone: 'Europe/Berlin',
    });
    expect(changed.body).toMatchObject({
      addresses: ['+4930901820', '7301234567890123', 'ada@example.com'],
      time_zone: 'Europe/Berlin',
    });
    expect(await get(url)).toEqual(changed.body);
    const wrong = await client.call('PATCH', url, { addresses: ['ada@example.com', '0151 12345'] });
    expect([wrong.status, wrong.body.errors]).toEqual([
      422,
      [
        {
          pointer: '/addresses/1',
          message: expect.stringContaining("country's code"),
        },
      ],
    ]);
    const zone = await client.call('PATCH', url, { time_zone: 'Berlin' });
    expect([zone.status, zone.body.errors[0].pointer]).toEqual([422, '/time_zone']);
    expect(await get(url)).toEqual(changed.body);
  });

  it('are never merged by giving one the address of another', async () => {
    const taken = await client.call('PATCH', `/v1/contacts/${byMail}`, {
      addresses: ['ada@example.com', '+49 151 12345678'],
    });
    expect([taken.status, taken.body.type]).toEqual([409, 'urn:postroom:problem:address_taken']);
    expect(await get(`/v1/contacts/${byChat}`)).toMatchObject({ addresses: [NUMBER] });
  });

  it('an address that was given takes its conversation along', async () => {
    await client.call('PATCH', `/v1/contacts/${byChat}`, { addresses: [] });
    await client.call('PATCH', `/v1/contacts/${byMail}`, {
      addresses: ['ada@example.com', NUMBER],
    });
    const { data } = await get(`/v1/contacts/${byMail}/conversations`);
    expect(data).toMatchObject([{ address: NUMBER }]);
  });
});

describe('one person’s messages', () => {
  it('are of their own tickets, of others’ where they wrote or got them, and of no ticket', async () => {
    const own = await onMail(1);
    const answer = await onMail(2, { direction: 'outbound', status: 'sent' });
    const helper = await onMail(3, { who: 'byron@example.com' });
    const wrote = await onMail(4, { ticketId: otherTicket });
    const copied = await onMail(5, {
      ticketId: otherTicket,
      who: 'byron@example.com',
      cc: ['ADA@example.com'],
      direction: 'outbound',
    });
    await onMail(6, { ticketId: otherTicket, who: 'byron@example.com' });
    const loose = await onMail(7, { ticketId: null });
    await onMail(8, { ticketId: null, who: 'byron@example.com' });
    const url = `/v1/contacts/${byMail}/messages`;
    expect(ids(await get(url))).toEqual([loose, copied, wrote, helper, answer, own]);
    expect(ids(await get(`${url}?order=asc`))).toEqual([own, answer, helper, wrote, copied, loose]);
    const first = await get(`${url}?limit=4`);
    expect(ids(await get(`${url}?limit=4&cursor=${first.next_cursor}`))).toEqual([answer, own]);
    expect(ids(await get(`/v1/messages?contact_id=${byMail}&direction=outbound`))).toEqual([
      copied,
      answer,
    ]);
    expect((await stranger.call('GET', url)).status).toBe(404);
  });

  it('are talks on each channel and address, with what may be sent now', async () => {
    await onChat(1);
    const onWhatsApp = await onChat(9, { direction: 'outbound', status: 'read' });
    const onImap = await onMail(5);
    await client.call('POST', `/v1/contacts/${byMail}/merge`, { contact_id: byChat, reason: 'x' });
    const url = `/v1/contacts/${byMail}/conversations`;
    expect((await get(url)).data).toMatchObject([
      {
        channel_id: chat,
        account_name: 'chat',
        channel: 'whatsapp',
        address: NUMBER,
        ticket_id: chatTicket,
        window_open: true,
        opted_out: false,
        templates_only: false,
        last_message: { id: onWhatsApp },
      },
      {
        channel_id: mail,
        channel: 'imap',
        address: 'Ada@example.com',
        window_ends_at: null,
        window_open: true,
        last_message: { id: onImap },
      },
    ]);
    const change = (set: object) =>
      rows.inDb((tx) => tx.updateTable('conversations').set(set).execute());
    await change({ window_ends_at: minute(0) });
    expect((await get(url)).data[0]).toMatchObject({ window_open: false, templates_only: true });
    await change({ opted_out_at: minute(0) });
    expect((await get(url)).data[0]).toMatchObject({
      opted_out: true,
      opted_out_at: minute(0).toISOString(),
    });
    expect((await stranger.call('GET', url)).status).toBe(404);
  });
});

describe('two contacts that an agent knows to be one', () => {
  const merge = (body: object, id = byMail, by = client) =>
    by.call('POST', `/v1/contacts/${id}/merge`, body);
  const proof = { reason: 'She said so on the phone, and named her order.' };

  it('become one: tickets, parts in tickets, conversations and addresses move, and nothing is left behind', async () => {
    const said = [await onMail(1), await onChat(2)];
    await client.call('PATCH', `/v1/contacts/${byChat}`, { time_zone: 'Europe/Berlin' });
    const before = await get(`/v1/tickets/${chatTicket}`);
    const merged = await merge({ contact_id: byChat, ...proof });
    expect(merged.status).toBe(200);
    expect(merged.body).toMatchObject({
      id: byMail,
      name: 'Ada Lovelace',
      addresses: [NUMBER, 'ada@example.com'],
      time_zone: 'Europe/Berlin',
    });
    const after = await get(`/v1/tickets/${chatTicket}`);
    expect(after.requester.id).toBe(byMail);
    expect(after.version).toBe(before.version + 1);
    expect((await get(`/v1/tickets/${otherTicket}`)).participants.map(idOf).toSorted()).toEqual(
      [someone, byMail].toSorted(),
    );
    expect(ids(await get(`/v1/contacts/${byMail}/messages`))).toEqual(said.toReversed());
    const left = await rows.inDb(async (tx) => [
      ...(await tx
        .selectFrom('contact_addresses')
        .selectAll()
        .where('contact_id', '=', byChat)
        .execute()),
      ...(await tx.selectFrom('tickets').select('id').where('requester_id', '=', byChat).execute()),
      ...(await tx
        .selectFrom('ticket_participants')
        .selectAll()
        .where('contact_id', '=', byChat)
        .execute()),
      ...(await tx
        .selectFrom('conversations')
        .selectAll()
        .where('contact_id', '=', byChat)
        .execute()),
    ]);
    expect(left).toEqual([]);
  });

  it('are told of once, in the audit trail of their tickets and as an event; a repeat does nothing', async () => {
    const first = await merge({ contact_id: byChat, ...proof });
    for (const [id, other] of [
      [byMail, byChat],
      [byChat, byMail],
    ] as const) {
      const again = await merge({ contact_id: other, ...proof }, id);
      expect([again.status, again.body]).toEqual([200, first.body]);
    }
    // The stream waits for transactions that began before, others' tests' too.
    await eventually(async () => {
      const events = await get('/v1/events?types=contact.merged');
      expect(
        events.data.filter((one: { type: string }) => one.type === 'contact.merged'),
      ).toMatchObject([
        { data: { contact: { id: byMail }, merged: { id: byChat, addresses: [NUMBER] } } },
      ]);
    });
    const timeline = await get(`/v1/tickets/${chatTicket}/timeline`);
    expect(
      timeline.data.filter((one: { action?: string }) => one.action === 'contact.merged'),
    ).toMatchObject([
      {
        reason: proof.reason,
        actor: { type: 'api_key' },
        changes: { requester_id: [byChat, byMail] },
      },
    ]);
  });

  it('are found by either id, and listed once', async () => {
    await merge({ contact_id: byChat, ...proof });
    expect((await get(`/v1/contacts/${byChat}`)).id).toBe(byMail);
    for (const id of [byMail, byChat])
      expect(ids(await get(`/v1/tickets?requester_id=${id}`))).toEqual([chatTicket, mailTicket]);
    expect(ids(await get('/v1/contacts'))).toEqual([byMail, someone]);
    const renamed = await client.call('PATCH', `/v1/contacts/${byChat}`, { name: 'Countess' });
    expect(renamed.body).toMatchObject({ id: byMail, name: 'Countess' });
    // One that became another leads to the last of them.
    await merge({ contact_id: byMail, ...proof }, someone);
    expect((await get(`/v1/contacts/${byChat}`)).id).toBe(someone);
  });

  it('are merged by no other tenant, nor without a reason, nor with themselves', async () => {
    expect((await merge({ contact_id: byChat, ...proof }, byMail, stranger)).status).toBe(404);
    const theirs = await scene(api.db, stranger.tenantId).contact('X', 'x@example.com');
    const foreign = await merge({ contact_id: theirs, ...proof });
    expect([foreign.status, foreign.body.errors[0].pointer]).toEqual([422, '/contact_id']);
    for (const body of [{ contact_id: byChat }, { contact_id: byChat, reason: ' ' }])
      expect((await merge(body)).body.errors[0].pointer).toBe('/reason');
    expect((await merge({ contact_id: byMail, ...proof })).status).toBe(422);
    expect((await get(`/v1/contacts/${byChat}`)).id).toBe(byChat);
  });

  it('become one once, however many ask at the same time', async () => {
    const answers = await Promise.all(
      [byMail, byChat, byMail, byChat].map((id) =>
        merge({ contact_id: id === byMail ? byChat : byMail, ...proof }, id),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    // The stream waits for transactions that began before, others' tests' too.
    await eventually(async () => {
      const { data } = await get('/v1/events');
      expect(data.filter(({ type }: { type: string }) => type === 'contact.merged')).toHaveLength(
        1,
      );
    });
  });
});

function idOf({ id }: { id: string }): string {
  return id;
}
