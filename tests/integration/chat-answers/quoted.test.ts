import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { inTenant } from '../../../db/connection.ts';
import type { MessageId } from '../../../domain/ids.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { scene } from '../inbox/scene.ts';

let api: TestApi;
let client: Client;

beforeAll(async () => {
  api = await startTestApi();
  client = await api.client('quoted');
});
afterAll(() => api.close());

test('what a chat’s message quotes is shown beside it, by itself and in lists; another’s is not', async () => {
  const rows = scene(api.db, client.tenantId);
  const page = await rows.channel('messenger', 'page');
  const mail = await rows.channel('smtp', 'mail');
  const bob = await rows.contact('Bob', '7001');
  const ticketId = await rows.ticket(page, 'messenger', bob);
  const at = new Date('2026-11-20T10:00:00Z');
  const chat = { provider: 'messenger', channelId: page, ticketId, who: '7001', at };
  const change = (id: MessageId, values: { vendorId?: string; quotes?: string; text?: string }) =>
    inTenant(api.db, client.tenantId, (tx) =>
      tx
        .updateTable('messages')
        .set({
          ...(values.vendorId && { provider_message_id: values.vendorId }),
          body: sql`body || ${JSON.stringify({
            ...(values.quotes && { in_reply_to: [values.quotes] }),
            ...(values.text && { content: values.text }),
          })}::jsonb`,
        })
        .where('id', '=', id)
        .execute(),
    );
  const said = async (more: object, values: Parameters<typeof change>[1] = {}) => {
    const id = await rows.said({ ...chat, ...more });
    await change(id, values);
    return id;
  };
  const asked = await said({}, { vendorId: 'm_asked', text: 'Where is my lamp? '.repeat(30) });
  const answered = await said({ direction: 'outbound' }, { vendorId: 'm_sent', quotes: 'm_asked' });
  const thanks = await said({}, { quotes: 'm_sent' });
  const gone = await said({}, { quotes: 'm_gone' });
  const other = await said({ who: '7002' }, { quotes: 'm_asked' });
  const letter = await said({ provider: 'smtp', channelId: mail }, { quotes: 'm_asked' });

  const quoted = async (path: string) => {
    const { data } = (await client.call('GET', path)).body;
    return new Map(
      (data as { id: string; quoted: { id: string } | null }[]).map((one) => [one.id, one.quoted]),
    );
  };
  for (const list of [
    await quoted('/v1/messages'),
    await quoted(`/v1/tickets/${ticketId}/messages`),
  ])
    expect([asked, answered, thanks, gone, other, letter].map((id) => list.get(id)?.id)).toEqual([
      undefined,
      asked,
      answered,
      undefined,
      undefined,
      undefined,
    ]);
  const { body } = await client.call('GET', `/v1/messages/${answered}`);
  expect(body.quoted).toEqual({
    id: asked,
    direction: 'inbound',
    sender: { name: '', address: '7001' },
    timestamp: at.toISOString(),
    content: `${'Where is my lamp? '.repeat(17).slice(0, 300)}…`,
    attachments: [],
  });
  expect((await client.call('GET', `/v1/messages/${asked}`)).body.quoted).toBeNull();
  const { body: timeline } = await client.call('GET', `/v1/tickets/${ticketId}/timeline`);
  expect(timeline.data).toContainEqual(
    expect.objectContaining({
      message: expect.objectContaining({ id: answered, quoted: body.quoted }),
    }),
  );
});
