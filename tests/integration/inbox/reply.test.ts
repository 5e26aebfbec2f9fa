import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, type ChannelId, type ContactId, type TicketId } from '../../../domain/ids.ts';
import { keepingSender } from '../../workflow/ticket-seed.ts';
import { applyingRelay } from '../../workflow/ticket-steps.ts';
import { startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { ChatOutside, HOUR, TEMPLATES } from '../chat-answers/chat-seed.ts';
import { storeTemplates } from '../../../db/queries/message-templates.ts';
import { findProvider } from '../../../providers/registry.ts';
import { minute, scene, type Scene } from './scene.ts';

const NUMBER = '+4915112345678';
const GREETING = TEMPLATES.find(({ body }) => body === 'Hello.')!;

let api: TestApi;
let client: Client;
let rows: Scene;
let mail: ChannelId;
let chat: ChannelId;
let second: ChannelId;
let customer: ContactId;
let ticketId: TicketId;
let byMail: string;
let byChat: string;

const mailOutside = keepingSender();
const chatOutside = new ChatOutside();

const relay = applyingRelay(() => api.deps, {
  findProvider(name) {
    if (name === 'mime') return findProvider(name);
    return name === 'whatsapp' ? chatOutside.provider() : mailOutside.provider;
  },
});

beforeAll(async () => {
  api = await startTestApi({}, { relay });
});
afterAll(() => api.close());

/** A ticket that began by mail, and on which the customer wrote by WhatsApp, too. */
beforeEach(async () => {
  client = await api.client(newId('tenant'));
  rows = scene(api.db, client.tenantId);
  mail = await rows.channel('smtp', 'mail');
  chat = await rows.channel('whatsapp', 'chat');
  second = await rows.channel('whatsapp', 'second');
  customer = await rows.contact('Ada', 'ada@example.com', NUMBER);
  ticketId = await rows.ticket(mail, 'smtp', customer);
  const common = { ticketId, at: minute(1) };
  byMail = await rows.said({
    ...common,
    channelId: mail,
    provider: 'smtp',
    who: 'ada@example.com',
  });
  byChat = await rows.said({ ...common, channelId: chat, provider: 'whatsapp', who: NUMBER });
  for (const channelId of [chat, second])
    await rows.talk(channelId, customer, NUMBER, {
      ticket_id: ticketId,
      window_ends_at: new Date(Date.now() + HOUR),
    });
});

const reply = async (id: string, body: object) => {
  const { status, body: shown } = await client.call('POST', `/v1/messages/${id}/reply`, {
    text: 'On its way.',
    ...body,
  });
  return { status, ...shown };
};
const toNumber = [{ name: 'Ada', address: NUMBER }];
const toMail = [{ name: '', address: 'ada@example.com' }];

describe('an answer to a message', () => {
  it('leaves by the channel and account of the message, wherever its ticket began', async () => {
    expect(await reply(byChat, {})).toMatchObject({
      status: 'queued',
      channel: 'whatsapp',
      account_id: chat,
      to: toNumber,
    });
    expect(await reply(byMail, {})).toMatchObject({
      status: 'queued',
      channel: 'smtp',
      account_id: mail,
      to: toMail,
    });
  });

  it('to a message of ours leaves as that one went', async () => {
    const ours = await rows.said({
      channelId: second,
      provider: 'whatsapp',
      ticketId,
      who: NUMBER,
      at: minute(2),
      direction: 'outbound',
      status: 'sent',
    });
    expect(await reply(ours, {})).toMatchObject({
      status: 'queued',
      account_id: second,
      to: toNumber,
    });
  });

  it('is refused with the field to mend', async () => {
    await storeTemplates(api.db, { tenantId: client.tenantId, id: chat }, TEMPLATES, new Date());
    const buttons = { type: 'buttons', buttons: [{ id: '1', title: 'Yes' }] };
    const template = (more: object) => ({ text: undefined, template: more });
    const cases: [object, string][] = [
      [{ cc: ['bob@example.com'] }, '/cc'],
      [{ text: 'x'.repeat(101) }, '/text'],
      [{ text: undefined, html: 'x'.repeat(101) }, '/html'],
      [{ attachments: ['att_none'] }, '/attachments'],
      [{ tag: 'OTHER' }, '/tag'],
      [{ interactive: { type: 'quick_replies', replies: buttons.buttons } }, '/interactive'],
      [{ account_id: 'chn_none' }, '/account_id'],
      [{ template: 'offer' }, '/text'],
      [{ text: undefined, template: 'none' }, '/template'],
      [template({ name: 'none' }), '/template/name'],
      [template({ name: 'offer' }), '/template/name'],
      [template({ name: 'greeting' }), '/template'],
      [template({ name: 'greeting', language: 'fr' }), '/template/name'],
      [template({ name: 'order_update' }), '/template'],
      [template({ name: 'order_update', values: { 1: 'x' } }), '/template/values'],
      [template({ name: 'parcel', values: { 'header.1': 'att_none' } }), '/template/values'],
    ];
    for (const [body, pointer] of cases) {
      const { detail, ...refused } = await reply(byChat, body);
      expect({ body, ...refused }).toMatchObject({
        body,
        status: 422,
        errors: [{ pointer, message: detail }],
      });
    }
    const at = new Date(Date.now() + HOUR).toISOString();
    const scheduled = await client.call('POST', '/v1/scheduled-messages', {
      ticket_id: ticketId,
      account_id: chat,
      send_at: at,
      template: { name: 'order_update', values: { 1: 'x' } },
    });
    expect(scheduled.body).toMatchObject({
      status: 422,
      errors: [{ pointer: '/template/values' }],
    });
  });

  it('leaves otherwise where it is told to', async () => {
    expect(await reply(byChat, { account_id: second })).toMatchObject({ account_id: second });
    expect(await reply(byMail, { channel: 'whatsapp' })).toMatchObject({
      account_id: chat,
      to: toNumber,
    });
    expect(await reply(byChat, { channel: 'smtp' })).toMatchObject({
      status: 'queued',
      channel: 'smtp',
      account_id: mail,
      to: [{ name: 'Ada', address: 'ada@example.com' }],
    });
    expect(await reply(byChat, { channel: 'whatsapp' })).toMatchObject({ account_id: chat });
  });

  it('told only a provider, it leaves where the window is open, else where the customer wrote last', async () => {
    const third = await rows.channel('whatsapp', 'third');
    const talk = (channelId: ChannelId, wroteAt: Date | null, windowEndsAt: Date) =>
      rows.inDb((tx) =>
        tx
          .updateTable('conversations')
          .set({ last_inbound_at: wroteAt, window_ends_at: windowEndsAt })
          .where('channel_id', '=', channelId)
          .execute(),
      );
    const [ended, open] = [new Date(Date.now() - 1), new Date(Date.now() + HOUR)];
    const way = async () =>
      (await reply(byMail, { text: undefined, template: 'greeting', channel: 'whatsapp' }))
        .account_id;
    for (const channelId of [chat, second, third])
      await storeTemplates(api.db, { tenantId: client.tenantId, id: channelId }, [GREETING], new Date()); // prettier-ignore

    await talk(chat, minute(9), ended);
    await talk(second, minute(3), open);
    expect(await way()).toBe(second);
    await talk(second, minute(3), ended);
    expect(await way()).toBe(chat);
    await talk(second, minute(10), ended);
    expect(await way()).toBe(second);
    await talk(second, null, ended);
    await talk(chat, null, ended);
    expect(await way()).toBe(chat);
    await rows.inDb((tx) =>
      tx.updateTable('channels').set({ desired_state: 'stopped' }).where('id', '=', chat).execute(),
    );
    expect(await way()).toBe(second);
  });

  describe('on the ticket itself', () => {
    const answer = async (body: object = {}) =>
      (await client.call('POST', `/v1/tickets/${ticketId}/messages`, { text: 'Hello.', ...body }))
        .body;
    const deleted = (channelId: ChannelId) =>
      rows.inDb((tx) =>
        tx
          .updateTable('channels')
          .set({ deleted_at: new Date() })
          .where('id', '=', channelId)
          .execute(),
      );

    it('leaves as the customer’s latest message came, and by the channel of one that it names', async () => {
      const common = { ticketId, at: minute(2), who: 'ada@example.com' };
      await rows.said({ ...common, channelId: mail, provider: 'smtp' });
      expect(await answer()).toMatchObject({ account_id: mail, to: toMail });
      expect(await answer({ in_reply_to: byChat })).toMatchObject({ account_id: chat });
      await rows.said({
        ticketId,
        channelId: second,
        provider: 'whatsapp',
        who: NUMBER,
        at: minute(3),
      });
      expect(await answer()).toMatchObject({ account_id: second, to: toNumber });
      expect(await answer({ channel: 'smtp' })).toMatchObject({ account_id: mail });
      expect(await answer({ in_reply_to: byMail })).toMatchObject({ account_id: mail });
    });

    it('leaves where the ticket began, where that channel is gone or takes no answers', async () => {
      await rows.said({
        ticketId,
        channelId: await rows.channel('mime', 'door'),
        provider: 'mime',
        who: 'ada@example.com',
        at: minute(4),
      });
      expect(await answer()).toMatchObject({ account_id: mail });
      await rows.said({
        ticketId,
        channelId: second,
        provider: 'whatsapp',
        who: NUMBER,
        at: minute(5),
      });
      await rows.inDb((tx) =>
        tx
          .updateTable('channels')
          .set({ desired_state: 'stopped' })
          .where('id', '=', second)
          .execute(),
      );
      expect(await answer()).toMatchObject({ account_id: mail });
      expect(await answer({ channel: 'whatsapp' })).toMatchObject({ account_id: chat });
      await deleted(second);
      expect(await answer()).toMatchObject({ account_id: mail });
      await deleted(mail);
      expect(await answer()).toMatchObject({
        status: 422,
        type: 'urn:postroom:problem:no_channel',
      });
    });
  });

  it('is refused in plain words where the message’s channel is gone', async () => {
    await rows.inDb((tx) =>
      tx.updateTable('channels').set({ deleted_at: new Date() }).where('id', '=', chat).execute(),
    );
    const refused = await reply(byChat, {});
    expect(refused).toMatchObject({
      status: 422,
      type: 'urn:postroom:problem:no_channel',
      detail: expect.stringContaining('give an "account_id"'),
    });
    expect(await reply(byChat, { account_id: second })).toMatchObject({ account_id: second });
  });
});
