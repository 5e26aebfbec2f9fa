import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Interactive } from '../../../../domain/chat.ts';
import type { OutgoingMessage } from '../../../../providers/contract.ts';
import { whatsapp } from '../../../../providers/whatsapp/provider.ts';
import { fileOf } from '../outgoing.ts';
import { chatOf, CUSTOMER } from './answers.ts';
import { whatsappFixture, type WhatsAppFixture } from './fixture.ts';

let at: WhatsAppFixture;
let question: string;
beforeEach(async () => {
  at = await whatsappFixture();
  question = at.simulator.writes(at.number, { phone: CUSTOMER, name: 'Ada' }, { text: 'Hello' });
});
afterEach(async () => {
  expect(at.simulator.violations).toEqual([]);
  await at.close();
});

const send = (message: OutgoingMessage, settings: Record<string, unknown> = {}) =>
  whatsapp.sender!.send(at.call(settings), message, async () => {});
const sent = () => at.number.sent.map(({ body }) => body);
const media = ({ id }: { id: string }) => at.simulator.world.media.all.get(id);

const BUTTONS: Interactive = {
  type: 'buttons',
  buttons: [
    { id: 'yes', title: 'Yes' },
    { id: 'no', title: 'No' },
  ],
};
const LIST: Interactive = {
  type: 'list',
  button: 'Choose',
  sections: [{ title: '', rows: [{ id: 'b', title: 'Berlin', description: 'Open till six' }] }],
};

describe('an answer by WhatsApp', () => {
  it('goes to the number with its text, and gets the id that WhatsApp gives', async () => {
    const receipt = await send(chatOf({ text: 'Guten Tag' }));
    expect(receipt.providerMessageId).toBe(at.number.sent[0]!.id);
    expect(sent()).toEqual([
      {
        messaging_product: 'whatsapp',
        recipient_type: 'individual',
        to: CUSTOMER,
        type: 'text',
        text: { body: 'Guten Tag' },
        biz_opaque_callback_data: 'postroom:msg_1:own.1@example.test',
      },
    ]);
  });

  it('quotes', async () => {
    await send(chatOf({ chat: { quotes: question } }));
    expect(sent()[0]).toMatchObject({ context: { message_id: question } });
  });

  it.each([
    ['image/jpeg', 'image', 'Below'],
    ['image/webp', 'document', 'Below'],
    ['video/mp4', 'video', 'Below'],
    ['audio/ogg; codecs=opus', 'audio', ''],
    ['audio/ogg', 'document', 'Below'],
    ['application/pdf', 'document', ''],
  ])('uploads a file of %s and sends it as %s', async (contentType, kind, text) => {
    await send(chatOf({ text, attachments: [fileOf(contentType, 'Größe.bin')] }));
    const [body] = sent() as [Record<string, { id: string }>];
    expect(body).toMatchObject({
      type: kind,
      [kind]: {
        ...(text !== '' && { caption: text }),
        ...(kind === 'document' && { filename: 'Größe.bin' }),
      },
    });
    expect(media(body[kind]!)).toMatchObject({ bytes: Buffer.from('bytes of Größe.bin') });
  });

  it('sends a picture that is too large for one as a document', async () => {
    const large = fileOf('image/png', 'large.png', Buffer.alloc(5 * 1024 * 1024 + 1));
    await send(chatOf({ text: '', attachments: [large] }));
    expect(sent()[0]).toMatchObject({ type: 'document', document: { filename: 'large.png' } });
  });

  it('offers buttons, with a file above them, and lists', async () => {
    const attachments = [fileOf('image/png', 'a.png')];
    await send(chatOf({ text: 'Well?', attachments, chat: { interactive: BUTTONS } }));
    await send(chatOf({ text: 'Where?', chat: { interactive: LIST } }));
    expect(sent()).toMatchObject([
      {
        type: 'interactive',
        interactive: {
          type: 'button',
          header: { type: 'image', image: { id: expect.any(String) } },
          body: { text: 'Well?' },
          action: {
            buttons: [
              { type: 'reply', reply: { id: 'yes', title: 'Yes' } },
              { type: 'reply', reply: { id: 'no', title: 'No' } },
            ],
          },
        },
      },
      {
        interactive: {
          type: 'list',
          body: { text: 'Where?' },
          action: {
            button: 'Choose',
            sections: [{ rows: [{ id: 'b', title: 'Berlin', description: 'Open till six' }] }],
          },
        },
      },
    ]);
  });

  it.each([
    [
      'four buttons',
      { type: 'buttons', buttons: [1, 2, 3, 4].map((n) => ({ id: `${n}`, title: `${n}` })) },
      'one to 3 buttons',
    ],
    [
      'a long title',
      { type: 'buttons', buttons: [{ id: '1', title: 'x'.repeat(21) }] },
      '20 characters',
    ],
    [
      'one id twice',
      {
        type: 'buttons',
        buttons: [
          { id: '1', title: 'a' },
          { id: '1', title: 'b' },
        ],
      },
      'same id',
    ],
    ['quick replies', { type: 'quick_replies', replies: [] }, 'no quick replies'],
    [
      'eleven rows',
      {
        type: 'list',
        button: 'x',
        sections: [
          { title: 't', rows: Array.from({ length: 11 }, (_, n) => ({ id: `${n}`, title: 'x' })) },
        ],
      },
      '10 rows in all',
    ],
    [
      'sections without titles',
      {
        type: 'list',
        button: 'x',
        sections: [
          { title: '', rows: [] },
          { title: '', rows: [] },
        ],
      },
      'wants a title',
    ],
  ] as [string, Interactive, string][])(
    'refuses %s before anything is uploaded',
    async (_what, interactive, words) => {
      const attachments = interactive.type === 'list' ? [] : [fileOf('image/png', 'a.png')];
      await expect(send(chatOf({ attachments, chat: { interactive } }))).rejects.toMatchObject({
        class: 'give_up',
        code: 'whatsapp.unfit',
        message: expect.stringContaining(words),
      });
      expect(at.simulator.requests).toEqual([]);
    },
  );

  it('refuses more words below a file than fit there', async () => {
    const long = chatOf({ text: 'x'.repeat(1025), attachments: [fileOf('image/png', 'a.png')] });
    await expect(send(long)).rejects.toMatchObject({ code: 'whatsapp.unfit', class: 'give_up' });
  });

  it('is not sent by a channel that is off', async () => {
    await expect(send(chatOf(), { whatsapp_enabled: false })).rejects.toMatchObject({
      code: 'whatsapp.off',
      class: 'give_up',
    });
    expect(at.simulator.requests).toEqual([]);
  });
});

describe('a template', () => {
  const template = (name: string, values: Record<string, string>, language = 'en_US') =>
    chatOf({ text: 'as it reads', chat: { template: { name, language, values } } });

  it('is sent after the window, its values in their order', async () => {
    at.simulator.world.advance(25 * 3_600_000);
    at.simulator.world.windowRefusal = 'answer';
    await expect(send(chatOf())).rejects.toMatchObject({ code: 'whatsapp.window_closed' });
    await send(template('ticket_update', { 'body.2': '#7', 'body.1': 'Ada' }, 'de'));
    expect(sent()[0]).toMatchObject({
      type: 'template',
      template: {
        name: 'ticket_update',
        language: { code: 'de' },
        components: [
          {
            type: 'body',
            parameters: [
              { type: 'text', text: 'Ada' },
              { type: 'text', text: '#7' },
            ],
          },
        ],
      },
    });
  });

  it('shows a file above it, names its values, and fills in its links', async () => {
    const message = {
      ...template('order_shipped', {
        'header.1': 'att_1',
        'body.customer_name': 'Ada',
        'body.order': '7-1815',
        'button.0.1': 'x77',
      }),
      attachments: [fileOf('image/png', 'box.png')],
    };
    await send(message);
    expect(sent()[0]).toMatchObject({
      template: {
        components: [
          { type: 'header', parameters: [{ type: 'image', image: { id: expect.any(String) } }] },
          {
            type: 'body',
            parameters: [
              { type: 'text', parameter_name: 'customer_name', text: 'Ada' },
              { type: 'text', parameter_name: 'order', text: '7-1815' },
            ],
          },
          {
            type: 'button',
            sub_type: 'url',
            index: '0',
            parameters: [{ type: 'text', text: 'x77' }],
          },
        ],
      },
    });
  });

  it('shows its file as what its header is, whatever the bytes are: then WhatsApp says that they don’t fit', async () => {
    const pdf = {
      ...template('order_shipped', {
        'header.1': 'att_1',
        'body.customer_name': 'Ada',
        'body.order': '7-1815',
        'button.0.1': 'x77',
      }),
      attachments: [fileOf('application/pdf', 'bill.pdf')],
    };
    const asImage = {
      ...pdf,
      chat: { ...pdf.chat!, template: { ...pdf.chat!.template!, header: 'image' as const } },
    };
    await expect(send(asImage)).rejects.toMatchObject({
      class: 'give_up',
      code: 'whatsapp.file_refused',
    });
    // As it was queued before templates named their header's kind.
    await expect(send(pdf)).rejects.toMatchObject({ code: 'whatsapp.template_values' });
  });

  it('without values is sent as it is', async () => {
    await send(template('hello_world', {}));
    expect(sent()[0]).not.toHaveProperty('template.components');
  });

  it.each([
    ['nobody_has_it', {}, 'template_unknown'],
    ['ticket_update', { 'body.1': 'Ada' }, 'template_values'],
    ['ticket_update', { 'body.1': 'Ada\nL.', 'body.2': '#7' }, 'template_values'],
    ['ticket_update', { 'body.1': 'Ada\tL.', 'body.2': '#7' }, 'template_values'],
    ['ticket_update', { 'body.1': 'Ada     L.', 'body.2': '#7' }, 'template_values'],
    ['ticket_update', { 'body.1': 'x'.repeat(32_768), 'body.2': '#7' }, 'template_values'],
  ])('that is wrong (%s) is given up with what is wrong', async (name, values, code) => {
    await expect(send(template(name, values))).rejects.toMatchObject({
      class: 'give_up',
      code: `whatsapp.${code}`,
    });
  });
});

describe('a refusal', () => {
  it.each([
    [131047, 'window_closed', 'give_up'],
    [131026, 'undeliverable', 'give_up'],
    [130429, 'too_many_requests', 'wait'],
    [80007, 'too_many_requests', 'wait'],
    [131056, 'pair_limited', 'wait'],
    [131048, 'messaging_limited', 'wait'],
    [190, 'token_expired', 'reauthenticate'],
    [10, 'permission_missing', 'reauthenticate'],
    [200, 'permission_missing', 'reauthenticate'],
    [131000, 'unavailable', 'retry'],
    [131016, 'unavailable', 'retry'],
    [131042, 'payment_missing', 'give_up'],
    [133010, 'number_unregistered', 'give_up'],
    [999_999, 'refused', 'give_up'],
  ])('of code %i is %s: %s', async (code, name, kind) => {
    at.simulator.refuseNext(at.number, { code });
    await expect(send(chatOf())).rejects.toMatchObject({
      name: 'ProviderFailure',
      code: `whatsapp.${name}`,
      class: kind,
      message: expect.stringContaining(code === 999_999 ? 'WhatsApp' : `(${code}`),
    });
    expect(sent()).toEqual([]);
  });

  it('for the number’s speed keeps everybody off; for one recipient’s, nobody else', async () => {
    const pauses: number[] = [];
    const limits = {
      slot: <T>(_most: number, work: () => Promise<T>) => work(),
      pause: (until: Date) => Promise.resolve(void pauses.push(until.getTime() - Date.now())),
    };
    const sending = () => whatsapp.sender!.send(at.call({}, { limits }), chatOf(), async () => {});
    at.simulator.refuseNext(at.number, { code: 131056 });
    await expect(sending()).rejects.toMatchObject({ retryAfterMs: 10_000 });
    expect(pauses).toEqual([]);
    at.simulator.refuseNext(at.number, { code: 130429 });
    await expect(sending()).rejects.toMatchObject({ class: 'wait' });
    expect(pauses).toEqual([expect.any(Number)]);
  });

  it('for the tier keeps back that template alone; whoever wrote is answered', async () => {
    at.number.tier = 'TIER_1';
    const pauses: Date[] = [];
    const limits = {
      slot: <T>(_most: number, work: () => Promise<T>) => work(),
      pause: (until: Date) => Promise.resolve(void pauses.push(until)),
    };
    const hello = { name: 'hello_world', language: 'en_US', values: {} };
    const write = (address: string, template: typeof hello | null = hello) =>
      whatsapp.sender!.send(
        at.call({}, { limits }),
        chatOf({
          chat: {
            conversation: { address, windowEndsAt: null, optedOutAt: null },
            template,
          },
        }),
        async () => {},
      );
    await write('+4915100000001');
    await write('+4915100000001');
    await expect(write('+4915100000002')).rejects.toMatchObject({
      code: 'whatsapp.messaging_limited',
      class: 'wait',
      retryAfterMs: 3_600_000,
      message: expect.stringContaining('within 24 hours'),
    });
    await write(CUSTOMER, null);
    expect(pauses).toEqual([]);
    at.simulator.world.advance(24 * 3_600_000);
    await write('+4915100000002');
  });

  it('of a secret of another app says so', async () => {
    const message = /app_secret.*access_token/;
    await expect(send(chatOf(), { app_secret: 'other' })).rejects.toMatchObject({
      code: 'whatsapp.app_secret_wrong',
      message: expect.stringMatching(message),
    });
  });

  it('of an upload sends nothing', async () => {
    at.simulator.faults.failNext({ kind: 'unavailable', match: /\/media/ });
    const message = chatOf({ attachments: [fileOf('image/png', 'a.png')] });
    await expect(send(message)).rejects.toMatchObject({ class: 'retry' });
    expect(sent()).toEqual([]);
  });
});
