import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { storeTemplates } from '../../../db/queries/message-templates.ts';
import type { ChannelId, TicketId } from '../../../domain/ids.ts';
import { applyingRelay } from '../../workflow/ticket-steps.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { TEMPLATES } from '../chat-answers/chat-seed.ts';
import { scene } from './scene.ts';

// Somebody who wrote a mail and left a number. WhatsApp knows people by numbers, Messenger by ids of its own.

const NUMBER = '+4915112345678';
const GREETING = TEMPLATES.find(({ body }) => body === 'Hello.')!;

let api: TestApi;
let client: Client;
let ticketId: TicketId;
let channels: Record<string, ChannelId>;

beforeAll(async () => {
  api = await startTestApi({}, { relay: applyingRelay(() => api.deps) });
  client = await api.client('first-contact');
  const rows = scene(api.db, client.tenantId);
  const mail = await rows.channel('smtp', 'mail');
  channels = {
    whatsapp: await rows.channel('whatsapp', 'number'),
    messenger: await rows.channel('messenger', 'page'),
  };
  for (const id of Object.values(channels))
    await storeTemplates(api.db, { tenantId: client.tenantId, id }, [GREETING], new Date());
  const customer = await rows.contact('Ada', 'ada@example.com', NUMBER);
  ticketId = await rows.ticket(mail, 'smtp', customer);
});
afterAll(() => api.close());

const answer = (body: object) =>
  client.call('POST', `/v1/tickets/${ticketId}/messages`, { template: GREETING.name, ...body });
const scheduled = (body: object) =>
  client.call('POST', '/v1/scheduled-messages', {
    ticket_id: ticketId,
    send_at: new Date(Date.now() + 3_600_000).toISOString(),
    template: GREETING.name,
    ...body,
  });

it('a number of the customer’s is written to by WhatsApp', async () => {
  expect(await answer({ channel: 'whatsapp' })).toMatchObject({
    status: 201,
    body: { account_id: channels['whatsapp'], to: [{ name: 'Ada', address: NUMBER }] },
  });
});

it.each([{}, { to: [NUMBER] }])('and is nobody’s id on Messenger: %j', async (more) => {
  for (const way of [answer, scheduled])
    expect(await way({ channel: 'messenger', ...more })).toMatchObject({
      status: 422,
      body: { type: 'urn:postroom:problem:no_recipient' },
    });
});

it('each channel says whom it can write to first', async () => {
  const shown = async (provider: string) =>
    (await client.call('GET', `/v1/channels/${channels[provider]!}`)).body.capabilities.chat
      .first_contact;
  expect(await shown('whatsapp')).toBe('phone');
  expect(await shown('messenger')).toBeNull();
});
