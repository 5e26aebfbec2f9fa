import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ChannelId, ContactId, TicketId } from '../../../domain/ids.ts';
import { applyingRelay } from '../../workflow/ticket-steps.ts';
import { request, startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { ChatOutside, HOUR } from '../chat-answers/chat-seed.ts';
import { minute, scene, type Scene } from './scene.ts';

const ADA = '7001000000000001';

let api: TestApi;
let client: Client;
let rows: Scene;
let page: ChannelId;
let customer: ContactId;
let ticketId: TicketId;
let message: string;

const findProvider = () => new ChatOutside().provider();

beforeAll(async () => {
  api = await startTestApi({}, { relay: applyingRelay(() => api.deps, { findProvider }) });
  client = await api.client('names');
  rows = scene(api.db, client.tenantId);
  page = await rows.channel('messenger', 'page');
  const mail = await rows.channel('imap', 'mail');
  customer = await rows.contact('Ada', ADA, 'ada@example.com');
  ticketId = await rows.ticket(page, 'messenger', customer);
  await rows.talk(page, customer, ADA, {
    ticket_id: ticketId,
    window_ends_at: new Date(Date.now() + HOUR),
  });
  const common = { ticketId, at: minute(1) };
  message = await rows.said({ ...common, channelId: page, provider: 'messenger', who: ADA });
  await rows.said({ ...common, channelId: mail, provider: 'imap', who: 'ada@example.com' });
});
afterAll(() => api.close());

const lists = () => [
  ['/v1/messages', message],
  [`/v1/contacts/${customer}/messages`, message],
  ['/v1/tickets', ticketId],
  ['/v1/channels', page],
];
const asked = (path: string, name: string) =>
  client.call('GET', `${path}?${path === '/v1/channels' ? 'provider' : 'channel'}=${name}`);

it.each(['messenger', 'facebook'])('%s names the same channels in every list', async (name) => {
  for (const [path, id] of lists()) {
    const { status, body } = await asked(path!, name);
    expect([path, status]).toEqual([path, 200]);
    expect((body.data as { id: string }[]).map((one) => one.id)).toEqual([id]);
  }
});

it('a name that no channel has is refused, with those there are', async () => {
  for (const [path] of lists()) {
    const { status, body } = await asked(path!, 'mesenger');
    expect([path, status]).toEqual([path, 400]);
    expect(body.errors[0]).toMatchObject({
      message: expect.stringMatching(/wants one of imap, .*messenger \(or facebook\)/),
    });
  }
});

it('an answer takes either name, and no other', async () => {
  const answer = (channel: string) =>
    client.call('POST', `/v1/tickets/${ticketId}/messages`, { text: 'Hello.', channel });
  expect(await answer('facebook')).toMatchObject({
    status: 201,
    body: { channel: 'messenger', account_id: page },
  });
  expect(await answer('faecbook')).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: '/channel', message: expect.stringContaining('facebook') }] },
  });
});

it('the description lists them all', async () => {
  const { body } = await request(`${api.url}/openapi.json`, 'GET');
  const { components, paths } = body as {
    components: { schemas: Record<string, { enum: string[] }> };
    paths: Record<string, { get: { parameters: { name: string; schema: object }[] } }>;
  };
  expect(components.schemas['ProviderName']!.enum).toEqual(
    expect.arrayContaining(['messenger', 'facebook', 'gmail', 'google']),
  );
  const { parameters } = paths['/v1/messages']!.get;
  expect(JSON.stringify(parameters.find(({ name }) => name === 'channel'))).toContain(
    '#/components/schemas/ProviderName',
  );
});
