import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { metaSimulator, type MetaSimulator } from '../../../../simulators/meta/simulator.ts';
import type { SimPage } from '../../../../simulators/meta/world.ts';
import { eventually } from '../../../harness/index.ts';
import { PNG } from '../../../harness/png.ts';
import { startProduct, type FaultChannel, type Product } from '../faults/product.ts';
import { ADA } from './fixture.ts';

// Two pages of one app, by the one door that all of Meta's calls come to.

jest.setTimeout(240_000);
const WAIT_MS = 60_000;
const PDF = Buffer.from('%PDF-1.7\n%%EOF\n');

let product: Product;
let meta: MetaSimulator;
let shop: SimPage;
let club: SimPage;
let shopChannel: FaultChannel;
let clubChannel: FaultChannel;

beforeAll(async () => {
  // One after the other: a simulator may be given the very port that the API is about to take.
  product = await startProduct();
  meta = await metaSimulator();
  [shop, club] = [meta.page({ name: 'Shop' }), meta.page({ name: 'Club' })];
  shopChannel = await product.channel('facebook', meta.settings(shop));
  clubChannel = await product.channel('messenger', meta.settings(club));
  await meta.connect(shopChannel.doorUrl!);
  await eventually(() => {
    for (const { fields } of [shop, club]) expect([...fields]).toContain('message_reads');
  }, WAIT_MS);
});
afterAll(async () => {
  expect(meta.violations).toEqual([]);
  await product.stop();
  await meta.close();
});

const idsOf = async (channel: FaultChannel) =>
  (await channel.messages()).flatMap(({ provider_message_id: id }) => id ?? []);

it('takes in what is written to each page, files and names too, once', async () => {
  meta.hooks.behaviour.duplicates = 1;
  const text = meta.says(shop, { psid: ADA, name: 'Ada Lovelace' }, { text: 'Where is my lamp?' });
  const file = { kind: 'image', bytes: PNG, contentType: 'image/png' } as const;
  const picture = meta.says(shop, { psid: ADA }, { files: [file] });
  const other = meta.says(club, { psid: '7002', name: 'Bob' }, { text: 'May I join?' });
  await eventually(async () => {
    expect((await idsOf(shopChannel)).toSorted()).toEqual([text, picture].toSorted());
    expect(await idsOf(clubChannel)).toEqual([other]);
    expect((await shopChannel.message(picture)).attachments).toMatchObject([
      { content_type: 'image/png', size: PNG.length },
    ]);
  }, WAIT_MS);
  meta.hooks.behaviour.duplicates = 0;

  const [question, shown] = await shopChannel.arrived(text, picture);
  expect(question).toMatchObject({
    channel: 'messenger',
    direction: 'inbound',
    from: ADA,
    sender: { name: 'Ada Lovelace' },
    content: 'Where is my lamp?',
  });
  expect(shown!.ticket_id).toBe(question!.ticket_id);
  expect(await product.call('GET', `/v1/tickets/${question!.ticket_id}`)).toMatchObject({
    subject: 'Where is my lamp?',
    channel: 'messenger',
    message_count: 2,
  });
});

it('answers in the conversation, and shows how far the answer came', async () => {
  const [question] = (await shopChannel.messages()).filter(({ content }) => content !== '');
  const path = `/v1/messages/${question!.id}/reply`;
  const { id } = await product.call('POST', path, { text: 'On its way.' });
  await eventually(async () => {
    expect(shop.sent).toHaveLength(1);
    expect(await shopChannel.message(shop.sent[0]!.id)).toMatchObject({ status: 'delivered' });
  }, WAIT_MS);
  meta.reports.report(shop, shop.sent[0]!, 'read');
  await eventually(async () => {
    expect(await shopChannel.message(shop.sent[0]!.id)).toMatchObject({
      id,
      direction: 'outbound',
      status: 'read',
      ticket_id: question!.ticket_id,
    });
  }, WAIT_MS);
  await meta.settled();
  await shopChannel.sync();
  const outbound = (await shopChannel.messages()).filter(
    ({ direction }) => direction !== 'inbound',
  );
  expect(outbound).toHaveLength(1);
});

it('is in no doubt of an answer whose receipt was lost, once its echo comes', async () => {
  const [question] = (await shopChannel.messages()).filter(({ content }) => content !== '');
  meta.faults.failNext({ kind: 'lost_answer', match: /^POST .*\/messages/ });
  const path = `/v1/messages/${question!.id}/reply`;
  const { id } = await product.call('POST', path, { text: 'Tomorrow.' });
  await eventually(async () => {
    expect(await product.call('GET', `/v1/messages/${String(id)}`)).toMatchObject({
      status: 'delivered',
      provider_message_id: shop.sent.at(-1)!.id,
    });
  }, WAIT_MS);
  expect(shop.sent).toHaveLength(2);
  meta.reports.report(shop, shop.sent[1]!, 'read');
  await eventually(async () => {
    expect(await shopChannel.message(shop.sent[1]!.id)).toMatchObject({ id, status: 'read' });
  }, WAIT_MS);
});

it('knows each part of an answer: a text, and a file', async () => {
  const [question] = (await shopChannel.messages()).filter(({ content }) => content !== '');
  const before = shop.sent.length;
  const file = await product.call('POST', '/v1/attachments?filename=bill.pdf', PDF);
  const path = `/v1/messages/${question!.id}/reply`;
  const { id } = await product.call('POST', path, { text: 'The bill.', attachments: [file['id']] });
  await eventually(() => expect(shop.sent).toHaveLength(before + 2), WAIT_MS);
  const part = shop.sent.at(-1)!;
  expect(part.body).toMatchObject({ message: { attachment: { type: 'file' } } });
  await meta.settled();
  meta.says(shop, { psid: ADA }, { reaction: { to: part.id, emoji: '👍' } });
  await eventually(async () => {
    expect(JSON.stringify(await product.call('GET', `/v1/messages/${String(id)}`))).toContain('👍');
  }, WAIT_MS);
});

it('shows what the page’s own inbox answered, once', async () => {
  const [question] = (await clubChannel.messages()).filter(
    ({ direction }) => direction === 'inbound',
  );
  meta.reports.echo(club, '7002', { mid: 'm_inbox', app_id: 26390, text: 'Welcome!' });
  meta.reports.echo(club, '7002', { mid: 'm_inbox', app_id: 26390, text: 'Welcome!' });
  await eventually(async () => {
    expect(await clubChannel.message('m_inbox')).toMatchObject({
      direction: 'outbound',
      status: 'sent',
      content: 'Welcome!',
      ticket_id: question!.ticket_id,
    });
  }, WAIT_MS);
  await meta.settled();
  expect(await idsOf(clubChannel)).toHaveLength(2);
});

it('follows a message through a reaction, a change and its deletion', async () => {
  const [question] = (await clubChannel.messages()).filter(
    ({ direction }) => direction === 'inbound',
  );
  const { id, ticket_id: ticketId } = question!;
  const mid = question!.provider_message_id!;
  for (const field of ['message_reactions', 'message_edits'])
    expect([...club.fields]).toContain(field);
  meta.says(club, { psid: '7002' }, { reaction: { to: 'm_inbox', emoji: '❤️' } });
  const edit = { message_edit: { mid, text: 'May we join?', num_edit: 1 } };
  meta.says(club, { psid: '7002' }, { raw: edit, field: 'message_edits' });
  meta.says(club, { psid: '7002' }, { unsend: mid });
  await eventually(async () => {
    const all = await clubChannel.messages();
    expect(all.map(({ content }) => content)).toEqual(
      expect.arrayContaining([
        'May I join?',
        'May we join?',
        'The customer deleted a message for everyone.',
      ]),
    );
    expect(new Set(all.map((one) => one.ticket_id))).toEqual(new Set([ticketId]));
    expect(JSON.stringify(all.find((one) => one.provider_message_id === 'm_inbox'))).toContain(
      '❤️',
    );
  }, WAIT_MS);
  expect(await product.call('GET', `/v1/messages/${id}`)).toMatchObject({ content: 'May I join?' });
});

it('lets a person answer after the window, and nobody without saying so', async () => {
  const path = `/v1/channels/${clubChannel.id}`;
  await product.call('PATCH', path, { settings: { window_seconds: 1 } });
  const mid = meta.says(club, { psid: '7003', name: 'Carol' }, { text: 'Anybody there?' });
  const [question] = await clubChannel.arrived(mid);
  const reply = (body: object) => product.call('POST', `/v1/messages/${question!.id}/reply`, body);
  await expect(reply({ text: 'Yes.', tag: 'NO_SUCH' })).rejects.toThrow(/422/);
  await sleep(1_500); // the window's second is over
  await expect(reply({ text: 'Yes.' })).rejects.toThrow(/422.*window_closed.*HUMAN_AGENT/s);
  await reply({ text: 'Yes, now.', tag: 'HUMAN_AGENT' });
  await eventually(() => {
    expect(club.sent.at(-1)?.body).toMatchObject({
      messaging_type: 'MESSAGE_TAG',
      tag: 'HUMAN_AGENT',
      message: { text: 'Yes, now.' },
    });
  }, WAIT_MS);
});

it('names a token that has expired, and goes on with a new one', async () => {
  club.token.state = 'expired';
  const settings = { timeout_seconds: 20 };
  await product.call('PATCH', `/v1/channels/${clubChannel.id}`, { settings });
  expect(await product.call('POST', `/v1/channels/${clubChannel.id}/validate`)).toMatchObject({
    ok: false,
    problems: [{ step: 'login', detail: expect.stringContaining('expired') }],
  });
  club.token.state = 'good';
  expect(await product.call('POST', `/v1/channels/${clubChannel.id}/validate`)).toMatchObject({
    ok: true,
  });
});

it('leaves the page as it was when the channel is deleted', async () => {
  await shopChannel.remove();
  await eventually(() => expect(shop.fields.size).toBe(0), WAIT_MS);
  expect(club.fields.size).toBeGreaterThan(0);
});
