import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { newId, type ChannelId, type ContactId, type TicketId } from '../../../domain/ids.ts';
import { applyingRelay } from '../../workflow/ticket-steps.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { HOUR } from '../chat-answers/chat-seed.ts';
import { minute, scene, type Scene } from './scene.ts';

// A ticket that began by mail and went on by WhatsApp: what is said on it follows the customer.

const NUMBER = '+4915112345678';
const MAIL = 'ada@example.com';

let api: TestApi;
let client: Client;
let rows: Scene;
let mail: ChannelId;
let chat: ChannelId;
let customer: ContactId;
let ticketId: TicketId;

beforeAll(async () => {
  api = await startTestApi({}, { relay: applyingRelay(() => api.deps) });
});
afterAll(() => api.close());

beforeEach(async () => {
  client = await api.client(newId('tenant'));
  rows = scene(api.db, client.tenantId);
  mail = await rows.channel('smtp', 'mail');
  chat = await rows.channel('whatsapp', 'chat', {
    settings: JSON.stringify({ notifications_enabled: true }),
  });
  customer = await rows.contact('Ada', MAIL, NUMBER);
  ticketId = await rows.ticket(mail, 'smtp', customer);
  await rows.said({ ticketId, channelId: mail, provider: 'smtp', who: MAIL, at: minute(1) });
});

async function writesByChat(at: Date) {
  await rows.said({ ticketId, channelId: chat, provider: 'whatsapp', who: NUMBER, at });
}
const talks = () =>
  rows.talk(chat, customer, NUMBER, {
    ticket_id: ticketId,
    last_inbound_at: minute(2),
    window_ends_at: new Date(Date.now() + HOUR),
  });
const ticket = async () => (await client.call('GET', `/v1/tickets/${ticketId}`)).body;
const listed = async () => (await client.call('GET', '/v1/tickets')).body.data[0];
const resolve = (status = 'resolved') =>
  client.call('PATCH', `/v1/tickets/${ticketId}`, { status });
const told = async () =>
  (
    (await client.call('GET', `/v1/tickets/${ticketId}/messages`)).body.data as {
      kind: string;
      account_id: string;
      to: { address: string }[];
    }[]
  )
    .filter(({ kind }) => kind === 'notification')
    .map(({ account_id: account, to }) => [account, to[0]!.address]);

it('is told of on the chat, once the customer writes there', async () => {
  await talks();
  await resolve();
  expect(await told()).toEqual([]);
  await resolve('open');
  await writesByChat(minute(2));
  await resolve();
  expect(await told()).toEqual([[chat, NUMBER]]);
});

it('shows what may be said where an answer would leave', async () => {
  await talks();
  expect(await ticket()).toMatchObject({ account_id: mail, conversation: null });
  await writesByChat(minute(2));
  const conversation = { channel_id: chat, address: NUMBER, window_open: true };
  for (const shown of [await ticket(), await listed()])
    expect(shown).toMatchObject({ channel: 'smtp', account_id: mail, conversation });
  const answer = { text: 'On its way.' };
  expect(
    (await client.call('POST', `/v1/tickets/${ticketId}/messages`, answer)).body,
  ).toMatchObject({ account_id: chat, to: [{ address: NUMBER }] });
  const later = { ...answer, ticket_id: ticketId, send_at: new Date(Date.now() + 60_000) };
  expect((await client.call('POST', '/v1/scheduled-messages', later)).body).toMatchObject({
    account_id: chat,
  });
  await rows.said({ ticketId, channelId: mail, provider: 'smtp', who: MAIL, at: minute(3) });
  expect(await ticket()).toMatchObject({ conversation: null });
});
