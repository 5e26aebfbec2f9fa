import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { metaSimulator, type MetaSimulator } from '../../../simulators/meta/simulator.ts';
import { metaCall } from '../chat/meta-call.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';

// What an admin is told of an autoresponder that can answer nobody on a chat.

let api: TestApi;
let ada: Client;
let meta: MetaSimulator;
let path: string;

beforeAll(async () => {
  api = await startTestApi();
  ada = await api.client('autoresponder-warnings');
  meta = await metaSimulator();
});
afterAll(async () => {
  await meta.close();
  await api.close();
});
beforeEach(async () => {
  const { status, body } = await ada.call('POST', '/v1/channels', {
    provider: 'whatsapp',
    name: 'Shop',
    is_active: false,
    settings: meta.settings(meta.number()),
  });
  expect(status).toBe(201);
  path = `/v1/channels/${body.id}`;
});

const change = async (body: object) => (await ada.call('PATCH', path, body)).body.warnings;
const responding = (text: string) => ({ rules: { autoresponder: { text } } });
/** What the dry run says of a message that begins a ticket. */
async function tried(): Promise<{ answers: boolean; reason: string }> {
  const source = metaCall({ id: 'x', type: 'text', text: { body: 'My kettle' } }).toString();
  return (await ada.call('POST', `${path}/rules:test`, { source })).body.autoresponder;
}

test.each<[string, object, RegExp]>([
  ['is too long', responding('x'.repeat(4097)), /has 4097 characters .* takes 4096/],
  [
    'has another in its place',
    {
      ...responding('We have it.'),
      settings: {
        notifications_enabled: true,
        template_messages: { 'ticket.created': { text: 'Here it is.' } },
      },
    },
    /goes instead/,
  ],
  [
    'is of a channel that is switched off',
    { ...responding('We have it.'), settings: { whatsapp_enabled: false } },
    /"whatsapp_enabled" is off/,
  ],
])('one that %s is warned of, and the dry run says so', async (_what, body, words) => {
  const warnings = await change(body);
  expect(warnings).toContainEqual(expect.stringMatching(words));
  expect(await tried()).toMatchObject({ answers: false, reason: expect.stringMatching(words) });
});

test('one that fits is not; what is filled in is not counted', async () => {
  expect(await change(responding(`${'x'.repeat(4090)}{{ticket.subject}}`))).toEqual([]);
  expect(await tried()).toMatchObject({ answers: true });
});
