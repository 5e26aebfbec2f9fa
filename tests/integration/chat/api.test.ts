// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ingestStaged } from '../../../activities/ingestion.ts';
import { loadChannel } from '../../../db/queries/channels.ts';
import { stageSource } from '../../../db/queries/sources.ts';
import { newId, type ChannelId } from '../../../domain/ids.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { metaCall, WHATSAPP_SETTINGS } from './meta-call.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

let api: TestApi;
let ada: Client;
let graph: Server;
let answer = 200;
const asked: unknown[] = [];
const channelId: ChannelId = newId('channel');

beforeAll(async () => {
  api = await startTestApi();
  ada = await api.client('chat-api');
  // Meta's end, as far as read marks go.
  graph = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      asked.push(JSON.parse(Buffer.concat(chunks).toString()));
      res.writeHead(answer, { 'content-type': 'application/json' });
      res.end(answer === 200 ? '{"success":true}' : '{"error":{"code":190,"message":"expired"}}');
    });
  });
  await new Promise<void>((resolve) => graph.listen(0, '127.0.0.1', resolve));
  const address = graph.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  await seedChannel(api.db, ada.tenantId, {
    id: channelId,
    provider: 'whatsapp',
    name: 'WhatsApp',
    settings: { ...WHATSAPP_SETTINGS, base_url: `http://127.0.0.1:${address.port}` },
    state: 'watching',
  });
});
afterAll(async () => {
  graph.closeAllConnections();
  await new Promise((resolve) => graph.close(resolve));
  await api.close();
});

async function receive(id: string, text: string): Promise<{ id: string; source_id: string }> {
  const channel = (await loadChannel(api.db, api.keys, ada.tenantId, channelId))!;
  await stageSource(
    api.db,
    { ...channel.facts, provider: 'whatsapp' },
    {
      source: metaCall({ id, type: 'text', text: { body: text } }),
      providerMessageId: id,
      receivedAt: new Date(),
    },
  );
  await ingestStaged(api.deps, channel, () => {});
  const { body } = await ada.call('GET', '/v1/messages?limit=1');
  return body.data[0];
}

describe('POST /v1/messages/{id}/read', () => {
  test('shows the customer that it was read, once', async () => {
    const { id } = await receive('wamid.read', 'Hello');
    asked.length = 0;
    for (let i = 0; i < 2; i++) {
      const { status, body } = await ada.call('POST', `/v1/messages/${id}/read`);
      expect([status, body.status]).toEqual([200, 'read']);
    }
    expect(asked).toMatchObject([{ status: 'read', message_id: 'wamid.read' }]);
  });

  test('where the vendor refuses it stays as it was, with the reason', async () => {
    const { id } = await receive('wamid.refused', 'Hello again');
    answer = 401;
    const { status, body } = await ada.call('POST', `/v1/messages/${id}/read`);
    answer = 200;
    expect(status).toBe(502);
    expect(body.type).toBe('urn:postroom:problem:not_marked');
    expect((await ada.call('GET', `/v1/messages/${id}`)).body.status).toBe('received');
  });

  test('is for what is there', async () => {
    expect((await ada.call('POST', '/v1/messages/msg_nobody/read')).status).toBe(404);
    const stranger = await api.client('stranger');
    const { id } = await receive('wamid.mine', 'Mine');
    expect((await stranger.call('POST', `/v1/messages/${id}/read`)).status).toBe(404);
  });
});

describe('rules are tried', () => {
  const rules = {
    rules: [
      {
        name: 'kettles',
        when: {
          all: [
            { field: 'subject', contains: 'kettle' },
            { field: 'type', is: 'text' },
          ],
        },
        then: { tags: ['kettle'] },
      },
    ],
  };
  const tried = (body: object) => ada.call('POST', `/v1/channels/${channelId}/rules:test`, body);

  test('with a message that was received, and with one as its vendor pushes it', async () => {
    const { id, source_id } = await receive('wamid.rules', 'My kettle leaks\nbadly');
    const source = metaCall({ id: 'x', type: 'text', text: { body: 'a KETTLE' } }).toString();
    for (const given of [{ message_id: id }, { source_id }, { source }]) {
      const { status, body } = await tried({ ...given, rules });
      expect([status, body.outcome, body.actions?.tags]).toEqual([200, 'ticket', ['kettle']]);
    }
  });

  test('and whether the autoresponder would answer it', async () => {
    const responder = { autoresponder: { text: 'We have it.' } };
    const outcome = async (text: string) => {
      const source = metaCall({ id: 'y', type: 'text', text: { body: text } }).toString();
      return (await tried({ source, rules: responder })).body.autoresponder;
    };
    expect(await outcome('My kettle')).toMatchObject({ answers: true });
    expect(await outcome('STOP')).toMatchObject({
      answers: false,
      reason: 'It is an opt-out word.',
    });
  });

  test('not with what is none of the channel’s', async () => {
    expect((await tried({ source: '{"no":"message"}', rules })).status).toBe(422);
    const { status, body } = await tried({ fields: { from: 'a@example.com', text: 'x' }, rules });
    expect([status, body.errors[0].pointer]).toEqual([422, '/fields']);
  });
});
