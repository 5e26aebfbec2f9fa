import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ask, errorOf, openDoor, type Json, type TestDoor } from './door.fixture.ts';
import { metaSimulator, type MetaSimulator } from './simulator.ts';
import type { SimNumber } from './world.ts';

let meta: MetaSimulator;
let door: TestDoor;
let number: SimNumber;
const ada = { phone: '4915112345678', name: 'Ada' };
beforeEach(async () => {
  [meta, door] = [await metaSimulator(), await openDoor()];
  meta.hooks.behaviour.retryMs = 5;
  number = meta.number();
  await meta.connect(door.url);
});
afterEach(async () => {
  await meta.close();
  door.close();
});

const text = (to: string, body = 'Hi') => ({
  messaging_product: 'whatsapp',
  to,
  type: 'text',
  text: { body },
});

it('tells what a customer wrote in a call that the app’s secret signs', async () => {
  const id = meta.writes(number, ada, { text: 'Hello' });
  await meta.settled();
  const { signature, body } = door.called[0]!;
  expect(signature).toBe(`sha256=${createHmac('sha256', 'app-secret').update(body).digest('hex')}`);
  expect(door.told()).toMatchObject([
    {
      object: 'whatsapp_business_account',
      entry: [{ id: number.account.id, changes: [{ field: 'messages' }] }],
    },
  ]);
  expect(door.values()).toMatchObject([
    {
      metadata: { phone_number_id: number.id },
      contacts: [{ wa_id: ada.phone, profile: { name: 'Ada' } }],
      messages: [{ from: ada.phone, id, type: 'text', text: { body: 'Hello' } }],
    },
  ]);
});

it('sends, and reports what became of it', async () => {
  meta.reports.plan.readMs = 40;
  meta.writes(number, ada, { text: 'Hello' });
  const { status, body } = await ask(
    meta,
    number,
    'POST',
    `/${number.id}/messages`,
    text('+49 151 12345678'),
  );
  expect([status, body]).toMatchObject([200, { contacts: [{ wa_id: ada.phone }], messages: [{ id: expect.stringMatching(/^wamid\./) }] }]); // prettier-ignore
  await meta.settled();
  expect(door.statuses().map((one) => one['status'])).toEqual(['sent', 'delivered', 'read']);
  expect(number.sent).toMatchObject([{ to: ada.phone, body: { text: { body: 'Hi' } } }]);
  expect(meta.violations).toEqual([]);
});

it('refuses free text when the window has ended, and takes a template', async () => {
  const send = () => ask(meta, number, 'POST', `/${number.id}/messages`, text(ada.phone));
  meta.writes(number, ada, { text: 'Hello' });
  meta.world.advance(23.9 * 3_600_000);
  expect((await send()).status).toBe(200);
  meta.world.advance(0.2 * 3_600_000);
  expect((await send()).status).toBe(200);
  await meta.settled();
  expect(door.statuses().find((one) => one['id'] === number.sent[1]!.id)).toMatchObject({
    status: 'failed',
    errors: [{ code: 131047 }],
  });
  meta.world.windowRefusal = 'answer';
  expect(errorOf(await send())).toEqual([400, 131047]);
  const template = (name: string, ...values: string[]) =>
    ask(meta, number, 'POST', `/${number.id}/messages`, {
      messaging_product: 'whatsapp',
      recipient_type: 'individual',
      to: ada.phone,
      type: 'template',
      template: {
        name,
        language: { code: 'en_US' },
        components: [
          { type: 'body', parameters: values.map((value) => ({ type: 'text', text: value })) },
        ],
      },
    });
  expect((await template('ticket_update', 'Ada', '#7')).status).toBe(200);
  expect(errorOf(await template('ticket_update', 'Ada'))).toEqual([400, 132000]);
  expect(errorOf(await template('survey', 'Ada'))).toEqual([404, 132001]);
});

it('gives a file by a link that ends and wants a token', async () => {
  const bytes = Buffer.from('a picture');
  meta.writes(number, ada, {
    file: { kind: 'image', bytes, contentType: 'image/png', caption: 'Look' },
  });
  await meta.settled();
  const [{ image }] = door.values()[0]!['messages'] as [{ image: { id: string; caption: string } }];
  const { body } = await ask(
    meta,
    number,
    'GET',
    `/${image.id}`,
    undefined,
    `?phone_number_id=${number.id}`,
  );
  expect(body).toMatchObject({ mime_type: 'image/png', file_size: 9 });
  const get = (headers: Record<string, string>) => fetch(body['url'] as string, { headers });
  const bearer = { authorization: `Bearer ${number.token.value}` };
  expect((await get({})).status).toBe(401);
  expect(await (await get(bearer)).text()).toBe('a picture');
  meta.world.advance(5 * 60_000 + 1);
  expect((await get(bearer)).status).toBe(404);
  expect((await ask(meta, number, 'GET', `/${image.id}`)).status).toBe(200);
});

it('takes a file, and sends it by its id', async () => {
  meta.writes(number, ada, { text: 'Hello' });
  const form = new FormData();
  form.set('messaging_product', 'whatsapp');
  form.set('file', new Blob(['PDF'], { type: 'application/pdf' }), 'bill.pdf');
  const { body } = await ask(meta, number, 'POST', `/${number.id}/media`, form);
  const document = { id: body['id'], filename: 'bill.pdf', caption: 'Your bill' };
  const send = (one: object) => ask(meta, number, 'POST', `/${number.id}/messages`, { ...text(ada.phone), text: undefined, type: 'document', document: one }); // prettier-ignore
  expect((await send(document)).status).toBe(200);
  expect(errorOf(await send({ id: '123' }))).toEqual([400, 131053]);
});

it('tells what the business wrote in its own app, and people who have no number but an id', async () => {
  const id = meta.writesBeside(number, ada.phone, 'From my phone');
  meta.writes(number, { userId: 'DE.1122', username: 'ada.l', name: 'Ada' }, { text: 'Hello' });
  await meta.settled();
  const changes = door.told().flatMap(({ entry }) => entry).flatMap((entry) => entry['changes'] as Json[]); // prettier-ignore
  expect(changes).toMatchObject([
    { field: 'smb_message_echoes', value: { message_echoes: [{ id, to: ada.phone }] } },
    { field: 'messages', value: { messages: [{ from_user_id: 'DE.1122' }] } },
  ]);
  expect((changes[1]!['value'] as Json)['contacts']).toEqual([
    { profile: { name: 'Ada', username: 'ada.l' }, user_id: 'DE.1122' },
  ]);
});

it('gives templates page by page', async () => {
  const names: unknown[] = [];
  let after = '';
  do {
    const { body } = await ask(
      meta,
      number,
      'GET',
      `/${number.account.id}/message_templates`,
      undefined,
      `?limit=4${after}`,
    );
    names.push(...(body['data'] as Json[]).map(({ name }) => name));
    const { next, cursors } = body['paging'] as { next?: string; cursors: { after: string } };
    after = next === undefined ? '' : `&after=${cursors.after}`;
  } while (after !== '');
  expect(names).toEqual([
    'hello_world',
    'ticket_update',
    'ticket_update',
    'order_shipped',
    'spring_sale',
    'survey',
  ]);
});

it('knows tokens, proofs, permissions, rates and unknown nodes', async () => {
  const look = (query = '') => ask(meta, number, 'GET', `/${number.id}`, undefined, query);
  const proof = createHmac('sha256', 'app-secret').update(number.token.value).digest('hex');
  expect((await look()).body).toMatchObject({ id: number.id, quality_rating: 'GREEN' });
  meta.app.requiresProof = true;
  expect(errorOf(await look())).toEqual([400, 100]);
  expect(errorOf(await look('?appsecret_proof=ff'))).toEqual([400, 100]);
  expect((await look(`?appsecret_proof=${proof}`)).status).toBe(200);
  meta.app.requiresProof = false;
  number.token.permissions.delete('whatsapp_business_messaging');
  expect(
    errorOf(await ask(meta, number, 'POST', `/${number.id}/messages`, text(ada.phone))),
  ).toEqual([403, 10]);
  number.token.permissions.add('whatsapp_business_messaging');
  meta.writes(number, ada, { text: 'Hello' });
  number.perSecond = 1;
  const send = () => ask(meta, number, 'POST', `/${number.id}/messages`, text(ada.phone));
  const atOnce = await Promise.all([send(), send()]);
  expect(atOnce.toSorted((a, b) => a.status - b.status).map(errorOf)).toEqual([
    [200, undefined],
    [400, 130429],
  ]);
  number.perSecond = null;
  number.pair = { everyMs: 6000, burst: 1 };
  expect(errorOf(await send())).toEqual([400, 131056]);
  meta.world.advance(6000);
  expect(errorOf(await send())).toEqual([200, undefined]);
  expect(errorOf(await ask(meta, number, 'POST', '/12345/messages', { recipient: { id: '1' }, message: { text: 'x' } }))).toEqual([400, 100, 33]); // prettier-ignore
  number.token.state = 'expired';
  expect(errorOf(await look())).toEqual([401, 190, 463]);
});

it('repeats a call that was not taken, and duplicates and shuffles where told to', async () => {
  await meta.settled();
  door.called.length = 0;
  door.answers.push(500, 503);
  meta.writes(number, ada, { text: 'Hello' });
  await meta.settled();
  expect(door.called).toHaveLength(3);
  expect(new Set(door.called.map(({ body }) => body.toString()))).toHaveProperty('size', 1);
  door.called.length = 0;
  Object.assign(meta.hooks.behaviour, { duplicates: 0.5, disorder: true, mostPerCall: 1 });
  for (let index = 0; index < 20; index += 1) meta.writes(number, ada, { text: String(index) });
  await meta.settled();
  const said = door
    .values()
    .map((value) => ((value['messages'] as Json[])[0]!['text'] as Json)['body']);
  expect(new Set(said).size).toBe(20);
  expect(said.length).toBeGreaterThan(20);
  expect([...new Set(said)]).not.toEqual(
    [...new Set(said)].toSorted((a, b) => Number(a) - Number(b)),
  );
});

it('brings items of many accounts in one call, and calls nobody who does not shake hands', async () => {
  meta.hooks.behaviour.gatherMs = 30;
  const other = meta.number();
  meta.writes(number, ada, { text: 'one' });
  meta.writes(other, ada, { text: 'two' });
  await meta.settled();
  expect(door.told()).toHaveLength(1);
  expect(door.told()[0]!.entry.map(({ id }) => id)).toEqual([number.account.id, other.account.id]);
  await expect(meta.connect(door.url, meta.world.app({ verifyToken: 'wrong' }))).rejects.toThrow(
    '403',
  );
});

const spec = join(import.meta.dirname, '../../../shared/specs/whatsapp-cloud.json');
(existsSync(spec) ? it : it.skip)(
  'lets every example of Meta’s description through, and nothing misspelt',
  async () => {
    const { paths } = JSON.parse(readFileSync(spec, 'utf8')) as { paths: Record<string, { post: { requestBody: { content: Record<string, { examples: Record<string, { value: Json }> }> } } }> }; // prettier-ignore
    const { examples } =
      paths['/{Version}/{Phone-Number-ID}/messages']!.post.requestBody.content['application/json']!;
    const refused: string[] = [];
    for (const [name, { value }] of Object.entries(examples)) {
      // Of a shop's, of a placeholder where a value is checked, and of no type there is nothing to hold against.
      if (
        /Catalog|Flow|Order|Multi-Product|by URL/.test(name) ||
        !(value['type'] ?? value['status'])
      )
        continue;
      await ask(meta, number, 'POST', `/${number.id}/messages`, value);
      if (meta.violations.length > 0) refused.push(`${name}: ${meta.violations.at(-1)!.reason}`);
      (meta.violations as unknown[]).length = 0;
    }
    expect(refused).toEqual([]);
    await ask(meta, number, 'POST', `/${number.id}/messages`, {
      ...text(ada.phone),
      previewUrl: true,
    });
    expect(meta.violations).toHaveLength(1);
  },
);
