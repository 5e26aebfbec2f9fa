import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inTenant } from '../../../db/connection.ts';
import { scene } from '../inbox/scene.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { CUSTOMER, HOUR, openChat, seedChat, type ChatSeed } from './chat-seed.ts';

let api: TestApi;
let client: Client;
let seed: ChatSeed;

const SETTINGS = {
  phone_number_id: '1',
  business_account_id: '2',
  access_token: 'x',
  app_secret: 'x',
  verify_token: 'x',
  window_seconds: 3600,
};

beforeAll(async () => {
  api = await startTestApi();
  client = await api.client('shown');
  seed = await seedChat(api.db, 'shown', SETTINGS);
});
afterAll(() => api.close());

test('a ticket and a message of a chat say what may be said now', async () => {
  const now = new Date();
  const { ticketId, messageId } = await openChat(api.db, seed, now);
  const conversation = {
    channel_id: seed.channelId,
    address: CUSTOMER,
    window_ends_at: new Date(now.getTime() + 24 * HOUR).toISOString(),
    window_open: true,
    templates_only: false,
    opted_out: false,
    has_templates: true,
    tags: [],
    limits: { text: 4096, attachments: 1, interactive: ['buttons', 'list'] },
  };
  for (const path of [`/v1/tickets/${ticketId}`, `/v1/messages/${messageId}`])
    expect((await client.call('GET', path)).body).toMatchObject({ conversation });

  await inTenant(api.db, seed.tenantId, (tx) =>
    tx
      .updateTable('conversations')
      .set({ window_ends_at: new Date(Date.now() - 1), opted_out_at: new Date() })
      .execute(),
  );
  expect((await client.call('GET', `/v1/tickets/${ticketId}`)).body.conversation).toMatchObject({
    window_open: false,
    templates_only: true,
    opted_out: true,
  });
});

test('lists say the same of each, in one query for a page', async () => {
  const tenant = 'lists';
  const lister = await api.client(tenant);
  const of = await seedChat(api.db, tenant, SETTINGS);
  const { ticketId, messageId } = await openChat(api.db, of, new Date());
  const rows = scene(api.db, of.tenantId);
  const page = await rows.channel('messenger', 'page');
  const mail = await rows.channel('smtp', 'mail');
  const bob = await rows.contact('Bob', '7001');
  const wroteAt = new Date(Date.now() - 25 * HOUR);
  const late = await rows.ticket(page, 'messenger', bob);
  await rows.talk(page, bob, '7001', {
    ticket_id: late,
    last_inbound_at: wroteAt,
    window_ends_at: new Date(wroteAt.getTime() + 24 * HOUR),
  });
  const said = { provider: 'messenger', channelId: page, who: '7001', at: wroteAt };
  const asked = await rows.said({ ...said, ticketId: late });
  const answered = await rows.said({ ...said, ticketId: late, direction: 'outbound' });
  const stranger = await rows.said({ ...said, ticketId: null, who: '7002' });
  const byMail = await rows.ticket(mail, 'smtp', bob);
  const letter = await rows.said({ ...said, provider: 'smtp', channelId: mail, ticketId: byMail });

  const closed = {
    channel_id: page,
    address: '7001',
    window_open: false,
    templates_only: true,
    tags: [
      { name: 'HUMAN_AGENT', ends_at: new Date(wroteAt.getTime() + 7 * 24 * HOUR).toISOString() },
    ],
  };
  const shown = async (path: string) => {
    const { data } = (await lister.call('GET', path)).body;
    return new Map((data as { id: string; conversation: unknown }[]).map((one) => [one.id, one]));
  };
  const messages = await shown('/v1/messages');
  const open = { channel_id: of.channelId, address: CUSTOMER, window_open: true, tags: [] };
  expect(messages.get(messageId)).toMatchObject({ conversation: open });
  for (const id of [asked, answered])
    expect(messages.get(id)).toMatchObject({ conversation: closed });
  for (const id of [stranger, letter])
    expect([id, messages.get(id)!.conversation]).toEqual([id, null]);
  const tickets = await shown('/v1/tickets');
  expect(tickets.get(ticketId)).toMatchObject({ conversation: open });
  expect(tickets.get(late)).toMatchObject({ conversation: closed });
  expect(tickets.get(byMail)!.conversation).toBeNull();
  // The lists of one ticket and of one contact say the same.
  const ofTicket = await shown(`/v1/tickets/${late}/messages`);
  const ofContact = await shown(`/v1/contacts/${bob}/messages`);
  for (const list of [ofTicket, ofContact])
    for (const id of [asked, answered])
      expect(list.get(id)).toMatchObject({ conversation: closed });
  expect(ofContact.get(letter)!.conversation).toBeNull();
  expect((await shown(`/v1/tickets/${byMail}/messages`)).get(letter)!.conversation).toBeNull();
  // By themselves they say the same.
  for (const [id, path] of [
    [asked, 'messages'],
    [late, 'tickets'],
  ] as const)
    // prettier-ignore
    expect((await lister.call('GET', `/v1/${path}/${id}`)).body.conversation).toMatchObject(closed);
});

test('a channel says what it can do; mail is no chat', async () => {
  const shown = await client.call('GET', `/v1/channels/${seed.channelId}`);
  expect(shown.body.capabilities).toEqual({
    receives: ['door'],
    sends: true,
    chat: {
      window_seconds: 3600,
      templates: true,
      tags: {},
      first_contact: 'phone',
      receipts: true,
      read_marks: true,
      address_check: true,
      limits: { text: 4096, attachments: 1, interactive: ['buttons', 'list'] },
    },
  });
  const mail = await client.call('POST', '/v1/channels', {
    provider: 'smtp',
    name: 'Mail',
    address: 'help@shown.test',
  });
  expect(mail.body.capabilities).toMatchObject({ chat: null });
  const listed = await client.call('GET', '/v1/channels');
  expect(
    (listed.body.data as { capabilities: { chat: unknown } }[]).map(
      ({ capabilities }) => capabilities.chat !== null,
    ),
  ).toEqual([true, false]);
});

test('what is no number at all is told before anything is sent', async () => {
  const check = async (address: string) =>
    (await client.call('POST', `/v1/channels/${seed.channelId}/addresses:check`, { address })).body;
  expect(await check('+491')).toEqual({ address: '+491', reachable: false });
  expect(await check(CUSTOMER)).toEqual({ address: CUSTOMER, reachable: null });
});
