import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Counter } from 'prom-client';
import { createDrainActivities } from '../../../activities/drain.ts';
import { createTicketActivities } from '../../../activities/tickets.ts';
import { inTenant } from '../../../db/connection.ts';
import { applyStatuses } from '../../../db/queries/delivery-statuses.ts';
import type { MessageId, TicketId } from '../../../domain/ids.ts';
import type { DeliveryStatus } from '../../../providers/contract.ts';
import {
  messagesFailed,
  messagesRefused,
  messagesUnconfirmed,
} from '../../../telemetry/metrics.ts';
import { ticketSteps, type TicketSteps } from '../../workflow/ticket-steps.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { ChatOutside, CUSTOMER, HOUR, openChat, seedChat, type ChatSeed } from './chat-seed.ts';

async function counted(counter: Counter, labels: Record<string, string>): Promise<number> {
  const { values } = await counter.get();
  return values.find((one) => isDeepStrictEqual({ ...one.labels }, labels))?.value ?? 0;
}

const TAGS = { HUMAN_AGENT: 7 * 24 * HOUR };

describe('an answer on a chat', () => {
  let api: TestApi;
  let seed: ChatSeed;
  let steps: TicketSteps;
  let outside: ChatOutside;
  let ticketId: TicketId;
  let asked: MessageId;
  let tags: Record<string, number> | undefined;
  let hasTemplates: boolean;
  let receiptWithinMs: number;

  beforeAll(async () => {
    api = await startTestApi();
    seed = await seedChat(api.db, 'answers');
    steps = ticketSteps(api.deps, seed.tenantId, options);
  });
  afterAll(() => api.close());
  beforeEach(async () => {
    outside = new ChatOutside();
    tags = undefined;
    hasTemplates = true;
    receiptWithinMs = HOUR;
    ({ ticketId, messageId: asked } = await openChat(api.db, seed));
  });

  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) =>
    inTenant(api.db, seed.tenantId, work);
  const options = () => {
    const provider = outside.provider(tags, hasTemplates);
    return { findProvider: () => provider, receiptWithinMs };
  };

  const reply = async (payload: Record<string, unknown>) =>
    (await steps.apply(ticketId, 'reply', payload)).outcome;
  const queued = (payload: Record<string, unknown>) => steps.queue(ticketId, payload);
  const send = (messageId: string) => steps.send(ticketId, messageId);
  const stored = (id: string) => steps.message(id);
  const windowEnded = (ago: number, more: { opted_out_at?: Date } = {}) =>
    inDb((tx) =>
      tx
        .updateTable('conversations')
        .set({
          last_inbound_at: new Date(Date.now() - ago - 24 * HOUR),
          window_ends_at: new Date(Date.now() - ago),
          ...more,
        })
        .where('address', '=', CUSTOMER)
        .execute(),
    );
  const say = async (id: string, ...statuses: DeliveryStatus['status'][]) => {
    const { provider_message_id: name } = await stored(id);
    await applyStatuses(
      api.db,
      seed.tenantId,
      seed.channelId,
      statuses.map((status) => ({
        of: { providerMessageId: name! },
        status,
        at: new Date(),
        ...(status === 'failed' && { detail: '131026: Message undeliverable' }),
      })),
    );
  };
  const events = () => steps.eventTypes(ticketId);

  it('goes to the number that wrote, without subject, and is accepted until the vendor says more', async () => {
    const id = await queued({ text: 'On its way.' });
    expect(await send(id)).toEqual({ status: 'sent' });
    expect(outside.delivered[0]).toMatchObject({
      to: [{ name: 'Ada', address: CUSTOMER }],
      subject: '',
      text: 'On its way.',
      chat: {
        conversation: { address: CUSTOMER, windowEndsAt: expect.any(Date), optedOutAt: null },
        quotes: null,
        template: null,
        interactive: null,
        tag: null,
      },
    });
    expect(await stored(id)).toMatchObject({ status: 'accepted', error: null });
    expect((await stored(id)).receipt_due_at).toBeInstanceOf(Date);
    await say(id, 'read', 'sent', 'delivered', 'sent');
    expect(await stored(id)).toMatchObject({ status: 'read', receipt_due_at: null });
    expect(await events()).toEqual(['message.sent', 'message.delivered', 'message.read']);
  });

  it('is refused where the channel’s settings switch it off, and says how to turn it on', async () => {
    const plain = outside.provider();
    const off = { ...plain, manifest: { ...plain.manifest, off: () => 'It is off.' } };
    const { apply } = ticketSteps(api.deps, seed.tenantId, () => ({ findProvider: () => off }));
    for (const payload of [{ text: 'a' }, { text: 'b', account_id: seed.channelId }])
      expect((await apply(ticketId, 'reply', payload)).outcome).toMatchObject({
        ok: false,
        status: 422,
        code: 'channel_off',
        detail: expect.stringMatching(/"Shop" is switched off: It is off\. .*PATCH \/v1\/channels/),
      });
  });

  it('what answers name the sent message by finds its ticket', async () => {
    const id = await queued({ text: 'On its way.' });
    await send(id);
    const { provider_message_id: name } = await stored(id);
    const found = await inDb((tx) =>
      tx.selectFrom('thread_ids').select('ticket_id').where('message_id', '=', name!).execute(),
    );
    expect(found).toEqual([{ ticket_id: ticketId }]);
  });

  it('failed with the vendor’s reason, whatever was said before', async () => {
    const id = await queued({ text: 'On its way.' });
    outside.meanwhile = async (name) => {
      await applyStatuses(api.db, seed.tenantId, seed.channelId, [
        {
          of: { providerMessageId: name },
          status: 'failed',
          code: 'whatsapp.undeliverable',
          detail: '131026: no',
          at: new Date(),
        },
      ]);
    };
    await send(id);
    expect(await stored(id)).toMatchObject({
      status: 'failed',
      error: { code: 'whatsapp.undeliverable', detail: '131026: no' },
    });
    const client = await api.client('answers');
    expect((await client.call('GET', `/v1/messages/${id}`)).body).toMatchObject({
      status: 'failed',
      error: { detail: '131026: no' },
    });
  });

  it('the window that a vendor has closed is closed, until the customer writes again', async () => {
    const windowEndsAt = () =>
      inDb(async (tx) => {
        const row = await tx
          .selectFrom('conversations')
          .select('window_ends_at')
          .where('address', '=', CUSTOMER)
          .executeTakeFirstOrThrow();
        return row.window_ends_at!.getTime();
      });
    const refuse = (name: string) =>
      applyStatuses(api.db, seed.tenantId, seed.channelId, [
        {
          of: { providerMessageId: name },
          status: 'failed',
          code: 'whatsapp.window_closed',
          at: new Date(),
        },
      ]);
    const early = await queued({ text: 'On its way.' });
    await send(early);
    const heard = (at: Date) =>
      inDb((tx) =>
        tx
          .updateTable('conversations')
          .set({ last_inbound_at: at, window_ends_at: new Date(at.getTime() + 24 * HOUR) })
          .where('address', '=', CUSTOMER)
          .execute(),
      );
    await heard(new Date(Date.now() + 60_000));
    await refuse((await stored(early)).provider_message_id!);
    expect(await windowEndsAt()).toBeGreaterThan(Date.now());
    await heard(new Date(Date.now() - HOUR));
    const late = await queued({ text: 'On its way, too.' });
    await send(late);
    await refuse((await stored(late)).provider_message_id!);
    expect(await windowEndsAt()).toBeLessThanOrEqual(Date.now());
    expect(await reply({ text: 'And now?' })).toMatchObject({ ok: false, code: 'window_closed' });
  });

  it('quotes the message that it names, and no other', async () => {
    const id = await queued({ text: 'That one.', in_reply_to: asked });
    await send(id);
    expect(outside.delivered[0]!.chat!.quotes).toBe(`wamid.in.${asked}`);
  });

  it('after the window nothing goes but a template: the refusal says when it ended and what may be sent', async () => {
    await windowEnded(HOUR);
    const refused = await reply({ text: 'Too late.' });
    expect(refused).toMatchObject({ ok: false, status: 422, code: 'window_closed' });
    expect(refused).toMatchObject({ detail: expect.stringMatching(/ended at \d{4}-.*"template"/) });
    const id = await queued({
      template: { name: 'order_update', values: { 1: 'Ada', 'body.2': '42' } },
    });
    await send(id);
    expect(outside.delivered[0]).toMatchObject({
      text: 'Hello Ada, order 42 is ready.',
      chat: {
        template: {
          name: 'order_update',
          language: 'en_US',
          values: { 'body.1': 'Ada', 'body.2': '42' },
        },
      },
    });
    const client = await api.client('answers');
    expect((await client.call('GET', `/v1/messages/${id}`)).body).toMatchObject({
      content: 'Hello Ada, order 42 is ready.',
      metadata: { platform_specific: { message_type: 'template' } },
    });
  });

  it('a tag carries it beyond the window, for as long as the vendor allows', async () => {
    tags = TAGS;
    hasTemplates = false;
    await windowEnded(HOUR);
    expect(await reply({ text: 'Late.' })).toMatchObject({
      code: 'window_closed',
      detail: expect.stringContaining('HUMAN_AGENT'),
    });
    const id = await queued({ text: 'Late.', tag: 'HUMAN_AGENT' });
    await send(id);
    expect(outside.delivered[0]!.chat!.tag).toBe('HUMAN_AGENT');
    await windowEnded(7 * 24 * HOUR);
    expect(await reply({ text: 'Too late.', tag: 'HUMAN_AGENT' })).toMatchObject({
      code: 'window_closed',
    });
    expect(await reply({ text: 'Hm.', tag: 'OTHER' })).toMatchObject({ code: 'unknown_tag' });
  });

  it('inside the window it goes without its tag', async () => {
    tags = TAGS;
    await send(await queued({ text: 'In time.', tag: 'HUMAN_AGENT' }));
    expect(outside.delivered[0]!.chat!.tag).toBeNull();
  });

  it('a window that ends while it waits ends it too, without asking the vendor', async () => {
    const id = await queued({ text: 'Waiting.' });
    await windowEnded(1000);
    await expect(send(id)).rejects.toMatchObject({
      type: 'chat.window_closed',
      nonRetryable: true,
    });
    expect(outside.delivered).toEqual([]);
    const failed = () =>
      counted(messagesFailed, { provider: 'whatsapp', reason: 'chat.window_closed' });
    const before = await failed();
    for (let n = 0; n < 2; n += 1)
      await createTicketActivities(api.deps, options()).giveUpMessage({
        tenantId: seed.tenantId,
        ticketId,
        messageId: id,
        code: 'chat.window_closed',
        now: new Date().toISOString(),
      });
    expect((await stored(id)).status).toBe('failed');
    expect((await failed()) - before).toBe(1);
  });

  it('a customer who asked for silence is sent nothing, no template either', async () => {
    const id = await queued({ text: 'Waiting.' });
    await inDb((tx) => tx.updateTable('conversations').set({ opted_out_at: new Date() }).execute());
    expect(await reply({ text: 'Hello?' })).toMatchObject({ code: 'opted_out' });
    expect(await reply({ template: { name: 'greeting', language: 'de' } })).toMatchObject({
      code: 'opted_out',
    });
    await expect(send(id)).rejects.toMatchObject({ type: 'chat.opted_out' });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a long text', { text: 'x'.repeat(101) }, 'text_too_long'],
    ['nothing', { text: ' ' }, 'nothing_written'],
    ['copies', { text: 'Hi.', cc: [{ name: '', address: 'b@example.com' }] }, 'no_cc'],
    [
      'an unknown recipient',
      { text: 'Hi.', to: [{ name: '', address: '+49301' }] },
      'no_recipient',
    ],
    [
      'a list where it has none',
      { text: 'Pick.', interactive: { type: 'list', button: 'Open', sections: [] } },
      'interactive_not_supported',
    ],
    ['an unknown template', { template: 'nope' }, 'unknown_template'],
    ['a template in several languages', { template: 'greeting' }, 'template_language_missing'],
    ['a rejected template', { template: 'offer' }, 'template_not_approved'],
    [
      'missing values',
      { template: { name: 'order_update', values: { 1: 'A' } } },
      'template_values',
    ],
    [
      'values too many',
      { template: { name: 'greeting', language: 'de', values: { 1: 'A' } } },
      'template_values',
    ],
    ['a template with a text', { text: 'Hi.', template: 'greeting' }, 'template_alone'],
  ])('refuses %s before anything is sent', async (_what, payload, code) => {
    const refused = () => counted(messagesRefused, { provider: 'whatsapp', reason: code });
    const before = await refused();
    expect(await reply(payload)).toMatchObject({ ok: false, status: 422, code });
    expect((await refused()) - before).toBe(1);
  });

  it('offers choices', async () => {
    const interactive = { type: 'buttons', buttons: [{ id: 'y', title: 'Yes' }] };
    await send(await queued({ text: 'Sure?', interactive }));
    expect(outside.delivered[0]!.chat!.interactive).toEqual(interactive);
  });

  it('what was accepted and never reported on is flagged once, until a report comes after all', async () => {
    receiptWithinMs = -1;
    const id = await queued({ text: 'Anybody there?' });
    await send(id);
    const unconfirmed = () => counted(messagesUnconfirmed, { provider: 'whatsapp' });
    const before = await unconfirmed();
    for (let n = 0; n < 2; n += 1) await createDrainActivities(api.deps).drain();
    expect((await unconfirmed()) - before).toBe(1);
    expect(await stored(id)).toMatchObject({
      status: 'accepted',
      error: { code: 'receipt.missing' },
    });
    expect(await events()).toEqual(['message.sent', 'message.unconfirmed']);
    await say(id, 'delivered');
    expect(await stored(id)).toMatchObject({ status: 'delivered', error: null });
  });

  it('a channel that reports nothing has sent it, and is not waited for', async () => {
    outside.receipts = false;
    const id = await queued({ text: 'Off it goes.' });
    await send(id);
    expect(await stored(id)).toMatchObject({ status: 'sent', receipt_due_at: null });
  });
});
