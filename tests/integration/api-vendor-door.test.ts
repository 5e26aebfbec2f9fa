import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import express from 'express';
import { z } from 'zod';
import { mountIngress } from '../../api/ingress/mount.ts';
import { answerErrors } from '../../api/middleware/errors.ts';
import { giveRequestId } from '../../api/middleware/request-id.ts';
import { inTenant } from '../../db/connection.ts';
import { wantState } from '../../db/queries/channel-changes.ts';
import { sealSecrets } from '../../db/queries/channels.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { DoorRefusal, type ChannelProvider } from '../../providers/contract.ts';
import { request, startTestApi, type TestApi } from './api-fixture.ts';
import { seedChannel } from '../workflow/channel-seed.ts';

// A vendor that signs its calls, as many do: what the core does with any door, before there is one.
const Settings = z.object({ signing_key: z.string() });
type Settings = z.infer<typeof Settings>;

const vendor: ChannelProvider<Settings> = {
  manifest: {
    name: 'vendor',
    title: 'Vendor',
    settings: Settings,
    secrets: ['signing_key'],
    source: 'mime',
  },
  door: {
    maxBytes: 1000,
    verify({ body, headers }, { settings: { signing_key: key } }) {
      const signature = createHmac('sha256', key).update(body).digest('hex');
      if (headers['x-signature'] !== signature)
        throw new DoorRefusal(401, 'bad_signature', 'The signature is not ours: abc123.');
    },
    receive({ method, body, query }) {
      if (method === 'GET')
        return Promise.resolve({
          sources: [],
          answer: { status: 200, body: query.challenge ?? '', contentType: 'text/plain' },
        });
      const { mails } = JSON.parse(body.toString()) as { mails: { id: string; raw: string }[] };
      return Promise.resolve({
        sources: mails.map(({ id, raw }) => ({ source: Buffer.from(raw), providerMessageId: id })),
      });
    },
  },
};

let api: TestApi;
let server: Server;
let url: string;
let tenantId: TenantId;
let channelId: ChannelId;

beforeAll(async () => {
  api = await startTestApi();
  const { db, keys } = api;
  tenantId = await ensureTenant(db, 'ada');
  channelId = newId('channel');
  await seedChannel(db, tenantId, {
    id: channelId,
    provider: 'vendor',
    name: 'Vendor',
    secrets: sealSecrets({ signing_key: 's3cret' }, channelId, keys),
  });
  const app = express();
  app.use(giveRequestId);
  const provider = vendor as unknown as ChannelProvider; // as registry.ts registers its own
  mountIngress(app, api.deps, [provider]);
  app.use(answerErrors(api.deps.log));
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `http://127.0.0.1:${address.port}/ingress/vendor/${channelId}`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await api.close();
});

const signed = (body: string) => ({
  'x-signature': createHmac('sha256', 's3cret').update(body).digest('hex'),
});
const post = (body: string, headers: Record<string, string> = signed(body)) =>
  request(url, 'POST', body, { 'content-type': 'application/json', ...headers });
const staged = () =>
  inTenant(api.db, tenantId, (tx) =>
    tx.selectFrom('sources').select(['provider_message_id', 'status']).orderBy('id').execute(),
  );
const two = JSON.stringify({
  mails: [
    { id: 'm1', raw: 'Subject: one' },
    { id: 'm2', raw: 'Subject: two' },
  ],
});

test('an unsigned or altered call is let in nowhere, and hears no reason', async () => {
  const forgeries: Record<string, string>[] = [{}, signed(`${two} `)];
  for (const headers of forgeries) {
    const answer = await post(two, headers);
    expect([answer.status, answer.body.detail]).toEqual([401, 'This call is not let in.']);
    expect(answer.text).not.toContain('abc123');
  }
  expect(await staged()).toEqual([]);
  const metrics = await request(`${api.url}/metrics`, 'GET');
  expect(metrics.text).toMatch(
    /postroom_door_refusals_total\{provider="vendor",code="bad_signature"\} 2/,
  );
});

test('what an authentic call brings is staged, and a redelivery is answered without effect', async () => {
  for (let i = 0; i < 2; i++) expect((await post(two)).status).toBe(200);
  expect(await staged()).toEqual([
    { provider_message_id: 'm1', status: 'staged' },
    { provider_message_id: 'm2', status: 'staged' },
  ]);
  expect(api.relay.flushed.at(-1)!.tenantId).toBe(tenantId);
});

test('a handshake is answered in the vendor’s own form', async () => {
  const { status, text, headers } = await request(
    `${url}?challenge=42`,
    'GET',
    undefined,
    signed(''),
  );
  expect([status, text, headers.get('content-type')]).toEqual([
    200,
    '42',
    'text/plain; charset=utf-8',
  ]);
});

test('beyond the door’s own limit it is 413', async () => {
  expect((await post('x'.repeat(1001))).status).toBe(413);
});

test('a fault of ours asks for the call again', async () => {
  const { status, headers } = await post('not json');
  expect([status, headers.get('retry-after')]).toEqual([503, '30']);
});

test('a stopped channel refuses', async () => {
  await wantState(api.db, tenantId, channelId, 'stopped');
  expect((await post(two)).status).toBe(409);
});
