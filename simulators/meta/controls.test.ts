import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { openDoor, type TestDoor } from './door.fixture.ts';
import { metaSimulator, type MetaSimulator } from './simulator.ts';
import type { SimNumber } from './world.ts';

let meta: MetaSimulator;
let number: SimNumber;
let door: TestDoor;

beforeEach(async () => {
  meta = await metaSimulator();
  number = meta.number();
  door = await openDoor();
});
afterEach(async () => {
  await meta.close();
  door.close();
});

async function control(path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${meta.url}/_control${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
}

const connect = () => control('/connect', { url: door.url });

async function send() {
  const answer = await fetch(`${meta.url}/v23.0/${number.id}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${number.token.value}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      messaging_product: 'whatsapp',
      to: '4915112345678',
      type: 'text',
      text: { body: 'Hi' },
    }),
  });
  return { status: answer.status, body: (await answer.json()) as { messages: { id: string }[] } };
}

const FROM = { from: '+4915112345678', name: 'Ada' };

it('lets a person write, with a file too, and shows what the door was told', async () => {
  expect(await connect()).toMatchObject({ status: 204 });
  expect(await control('/messages', { ...FROM, text: 'Hello' })).toMatchObject({ status: 201 });
  const file = { kind: 'image', content: 'aGk=', content_type: 'image/png', caption: 'Look' };
  expect(await control('/messages', { ...FROM, file })).toMatchObject({ status: 201 });
  expect(door.called.map(({ body }) => /"(Hello|Look)"/.exec(body.toString())?.[1])).toEqual([
    'Hello',
    'Look',
  ]);
  expect(await control('/calls')).toMatchObject({ body: [{ status: 200 }, { status: 200 }] });
  expect(await control('/messages', { from: 'Ada', text: 'x' })).toMatchObject({ status: 400 });
  expect(await control('/messages', { ...FROM, to: '1', text: 'x' })).toMatchObject({
    status: 404,
  });
});

it('does not call a door that shakes no hands', async () => {
  expect(await control('/connect', { url: 'http://127.0.0.1:9/' })).toMatchObject({ status: 409 });
});

it('shows what was sent, and tells of it when asked', async () => {
  await connect();
  await control('/behaviour', { sent_ms: null, delivered_ms: null });
  await control('/messages', { ...FROM, text: 'Hello' });
  const { body } = await send();
  const { id } = body.messages[0]!;
  expect(await control('/reports', { id, kind: 'read' })).toMatchObject({ status: 204 });
  expect(await control('/sent')).toMatchObject({
    body: [{ id, of: number.id, statuses: ['read'] }],
  });
  expect(door.called.at(-1)!.body.toString()).toContain('"status":"read"');
  expect(await control('/reports', { id: 'x', kind: 'read' })).toMatchObject({ status: 404 });
});

it('turns the clock, refuses, and lets a token expire', async () => {
  await connect();
  await control('/messages', { ...FROM, text: 'Hello' });
  expect((await send()).status).toBe(200);
  await control('/refusals', { code: 131047 });
  expect(await send()).toMatchObject({ status: 400, body: { error: { code: 131047 } } });
  await control('/clock', { advance_seconds: 60, window_seconds: 30 });
  meta.world.windowRefusal = 'answer';
  expect(await send()).toMatchObject({ status: 400, body: { error: { code: 131047 } } });
  await control('/tokens', { state: 'expired' });
  expect(await send()).toMatchObject({ status: 401, body: { error: { code: 190 } } });
});

it('looks at a template, and tells the app of the account, not of a number', async () => {
  await connect();
  const review = { name: 'ticket_update', status: 'PAUSED' };
  expect(await control('/templates', review)).toMatchObject({ status: 204 });
  expect(door.told().at(-1)).toEqual({
    object: 'whatsapp_business_account',
    entry: [
      {
        id: number.account.id,
        changes: [
          {
            field: 'message_template_status_update',
            value: {
              event: 'PAUSED',
              message_template_id: expect.any(Number),
              message_template_name: 'ticket_update',
              message_template_language: 'en_US',
              message_template_category: 'UTILITY',
              reason: 'NONE',
            },
          },
        ],
      },
    ],
  });
  expect(number.account.templates.map(({ status }) => status)).toContain('PAUSED');
  expect(await control('/templates', { ...review, language: 'xx' })).toMatchObject({ status: 404 });
});

it('makes a number worse or slower', async () => {
  await connect();
  await control('/messages', { ...FROM, text: 'Hello' });
  const worse = { quality_rating: 'RED', messaging_limit: 'TIER_250', status: 'FLAGGED' };
  expect(await control('/number', { ...worse, per_second: 1 })).toMatchObject({ status: 204 });
  expect(number).toMatchObject({ qualityRating: 'RED', tier: 'TIER_250', status: 'FLAGGED' });
  const atOnce = await Promise.all([send(), send()]);
  expect(atOnce.toSorted((a, b) => a.status - b.status)).toMatchObject([
    { status: 200 },
    { status: 400, body: { error: { code: 130429 } } },
  ]);
  await control('/number', { per_second: null, pair: { every_ms: 6000, burst: 2 } });
  expect((await send()).status).toBe(200);
  expect(await send()).toMatchObject({ status: 400, body: { error: { code: 131056 } } });
  expect(await control('/number', { quality_rating: 'BLUE' })).toMatchObject({ status: 400 });
  expect(await control('/number', { of: meta.page().id })).toMatchObject({ status: 404 });
});
