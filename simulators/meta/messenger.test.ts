import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ask, errorOf, openDoor, type Json, type TestDoor } from './door.fixture.ts';
import { metaSimulator, type MetaSimulator } from './simulator.ts';
import type { SimPage } from './world.ts';

let meta: MetaSimulator;
let door: TestDoor;
let page: SimPage;
const ada = { psid: '7000000000000001', name: 'Ada Lovelace' };
const send = (body: object) =>
  ask(meta, page, 'POST', `/${page.id}/messages`, {
    recipient: { id: ada.psid },
    messaging_type: 'RESPONSE',
    ...body,
  });
beforeEach(async () => {
  [meta, door] = [await metaSimulator(), await openDoor()];
  meta.hooks.behaviour.retryMs = 5;
  page = meta.page();
  await meta.connect(door.url);
  const fields = [
    'messages',
    'message_echoes',
    'message_deliveries',
    'message_reads',
    'messaging_postbacks',
  ];
  const { body } = await ask(meta, page, 'POST', `/${page.id}/subscribed_apps`, undefined, `?subscribed_fields=${fields.join(',')}`); // prettier-ignore
  expect(body).toEqual({ success: true });
});
afterEach(async () => {
  await meta.close();
  door.close();
});

it('tells what a person wrote, echoes the answer, and reports by watermarks', async () => {
  meta.reports.plan.readMs = 40;
  const mid = meta.says(page, ada, { text: 'Hello' });
  const { body } = await send({ message: { text: 'Hi', metadata: 'msg_1' } });
  await meta.settled();
  const [first, ...more] = door.events();
  expect(first).toMatchObject({
    sender: { id: ada.psid },
    recipient: { id: page.id },
    message: { mid, text: 'Hello' },
  });
  expect(more).toMatchObject([
    {
      sender: { id: page.id },
      message: { is_echo: true, mid: body['message_id'], metadata: 'msg_1' },
    },
    { sender: { id: ada.psid }, delivery: { mids: [body['message_id']] } },
    { read: { watermark: expect.any(Number) } },
  ]);
  expect(meta.violations).toEqual([]);
});

it('tells what was written in the page’s own inbox', async () => {
  meta.writesBeside(page, ada.psid, 'From the inbox');
  await meta.settled();
  expect(door.events()).toMatchObject([
    { sender: { id: page.id }, message: { is_echo: true, text: 'From the inbox' } },
  ]);
  expect(page.sent).toEqual([]);
});

it('is silent to a page that is not subscribed', async () => {
  await ask(meta, page, 'DELETE', `/${page.id}/subscribed_apps`);
  meta.says(page, ada, { text: 'Hello' });
  await meta.settled();
  expect(door.called).toEqual([]);
});

it('holds to the window, with seven of them for a human agent', async () => {
  meta.says(page, ada, { text: 'Hello' });
  const agent = { messaging_type: 'MESSAGE_TAG', tag: 'HUMAN_AGENT', message: { text: 'Hi' } };
  meta.world.advance(25 * 3_600_000);
  expect(errorOf(await send({ message: { text: 'Hi' } }))).toEqual([403, 10, 2018278]);
  expect((await send(agent)).status).toBe(200);
  expect(errorOf(await send({ ...agent, tag: 'ACCOUNT_UPDATE' }))).toEqual([400, 100]);
  meta.world.advance(6 * 24 * 3_600_000);
  expect(errorOf(await send(agent))).toEqual([403, 10, 2018278]);
});

it('takes files in a form, by address and by id, and gives them by links', async () => {
  meta.says(page, ada, {
    files: [{ kind: 'image', bytes: Buffer.from('png'), contentType: 'image/png' }],
  });
  await meta.settled();
  const [{ payload }] = (door.events()[0]!['message'] as Json)['attachments'] as [
    { payload: { url: string } },
  ];
  expect(await (await fetch(payload.url)).text()).toBe('png');
  const form = new FormData();
  form.set('recipient', JSON.stringify({ id: ada.psid }));
  form.set('messaging_type', 'RESPONSE');
  form.set(
    'message',
    JSON.stringify({ attachment: { type: 'image', payload: { is_reusable: true } } }),
  );
  form.set('filedata', new Blob(['gif'], { type: 'image/gif' }), 'a.gif');
  const { body } = await ask(meta, page, 'POST', `/${page.id}/messages`, form);
  expect(body).toMatchObject({
    message_id: expect.any(String),
    attachment_id: expect.any(String),
  });
  const attach = (one: object) =>
    send({ message: { attachment: { type: 'image', payload: one } } });
  expect((await attach({ attachment_id: body['attachment_id'] })).status).toBe(200);
  expect((await attach({ url: payload.url })).status).toBe(200);
  meta.world.advance(3_600_000);
  expect((await fetch(payload.url)).status).toBe(403);
  expect(errorOf(await attach({ url: payload.url }))).toEqual([400, 100, 2018008]);
  expect(meta.violations).toEqual([]);
});

it('names people where it may, and refuses what is not granted', async () => {
  meta.says(page, ada, { text: 'Hello' });
  const profile = () =>
    ask(meta, page, 'GET', `/${ada.psid}`, undefined, '?fields=first_name,last_name');
  expect((await profile()).body).toEqual({
    id: ada.psid,
    first_name: 'Ada',
    last_name: 'Lovelace',
  });
  page.token.permissions.delete('user_profile');
  expect(errorOf(await profile())).toEqual([400, 100, 2018218]);
  page.token.permissions.delete('pages_messaging');
  expect(errorOf(await send({ message: { text: 'Hi' } }))).toEqual([403, 230]);
  expect(errorOf(await ask(meta, page, 'POST', `/${page.id}/messages`, { recipient: { id: ada.psid }, mesage: {} }))).toEqual([400, 400]); // prettier-ignore
  expect(meta.violations).toHaveLength(1);
});
