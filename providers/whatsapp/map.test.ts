import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { NormalizedMessage } from '../../domain/message.ts';
import { readMessage } from './map.ts';

const receivedAt = new Date('2026-11-21T08:00:00Z');

function call(message: object, more: object = {}, kind = 'messages') {
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '+49 30 901820', phone_number_id: '1122' },
    contacts: [{ profile: { name: 'Ada' }, wa_id: '4915112345678', user_id: 'DE.77' }],
    [kind]: [{ id: 'wamid.1', from: '4915112345678', timestamp: '1763712000', ...message }],
    ...more,
  };
  return Buffer.from(
    JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: '99', changes: [{ field: 'messages', value }] }],
    }),
  );
}
const read = (message: object, more: object = {}, kind?: string) =>
  readMessage(call(message, more, kind), { receivedAt });
const specific = (chat: ReturnType<typeof read>) => chat.message.metadata.platform_specific;

describe('a message of WhatsApp’s', () => {
  it('says who wrote what to which number, and when', () => {
    const chat = read({ type: 'text', text: { body: 'Hello\0 there' } });
    expect(NormalizedMessage.parse(chat.message)).toEqual(chat.message);
    expect(chat).toMatchObject({
      party: { address: '+4915112345678', name: 'Ada' },
      answers: [],
      media: [],
      opensWindow: true,
      notes: [],
      message: {
        channel: 'whatsapp',
        direction: 'inbound',
        kind: 'message',
        status: 'received',
        from: '+4915112345678',
        to: [{ name: '', address: '+4930901820' }],
        content: 'Hello there',
        timestamp: '2025-11-21T08:00:00.000Z',
        received_at: '2026-11-21T08:00:00.000Z',
      },
    });
    expect(specific(chat)).toMatchObject({
      message_type: 'text',
      phone_number: '+4915112345678',
      phone_number_id: '1122',
      user_id: 'DE.77',
    });
    expect(chat.reaction).toBeUndefined();
  });

  it('names what it quotes, and tells that it was passed on', () => {
    const quoting = { type: 'text', text: { body: 'Yes' }, context: { id: 'wamid.0', from: '49' } };
    expect(read(quoting).answers).toEqual(['wamid.0']);
    const passedOn = { type: 'text', text: { body: 'x' }, context: { forwarded: true } };
    expect(specific(read(passedOn))).toMatchObject({ forwarded: true });
    expect(read(passedOn).answers).toEqual([]);
  });

  it.each(['image', 'video', 'audio', 'document', 'sticker'])(
    'refers to the file of a %s',
    (type) => {
      const sha256 = Buffer.alloc(32, 7);
      const file = {
        id: '555',
        mime_type: 'application/x-test',
        sha256: sha256.toString('base64'),
        caption: 'Look',
        ...(type === 'document' && { filename: 'a.pdf' }),
        ...(type === 'audio' && { voice: true }),
      };
      const chat = read({ type, [type]: file });
      expect(chat.media).toEqual([
        {
          id: '555',
          url: null,
          filename: type === 'document' ? 'a.pdf' : null,
          contentType: 'application/x-test',
          sha256: sha256.toString('hex'),
          inline: type === 'sticker' || type === 'audio',
        },
      ]);
      expect(chat.message.content).toBe('Look');
    },
  );

  it.each([
    [
      'a place',
      {
        type: 'location',
        location: { latitude: 1.5, longitude: 2, name: 'Café', address: 'Main St' },
      },
      'Location: Café, Main St (1.5, 2)\nhttps://www.openstreetmap.org/?mlat=1.5&mlon=2',
    ],
    [
      'people',
      {
        type: 'contacts',
        contacts: [
          {
            name: { formatted_name: 'Bob' },
            phones: [{ phone: '+1 555' }],
            emails: [{ email: 'b@x' }],
          },
          { phones: 'none' },
        ],
      },
      'Contact: Bob, +1 555, b@x\nContact: ',
    ],
    ['a button of a template', { type: 'button', button: { payload: 'p', text: 'Yes' } }, 'Yes'],
    [
      'a button',
      {
        type: 'interactive',
        interactive: { type: 'button_reply', button_reply: { id: 'b', title: 'Later' } },
      },
      'Later',
    ],
    [
      'a line of a list',
      {
        type: 'interactive',
        interactive: {
          type: 'list_reply',
          list_reply: { id: 'l', title: 'Berlin', description: 'Open till six' },
        },
      },
      'Berlin\nOpen till six',
    ],
    [
      'a form',
      {
        type: 'interactive',
        interactive: {
          type: 'nfm_reply',
          nfm_reply: { body: 'Sent', response_json: '{"stars":4,"flow_token":"t"}' },
        },
      },
      'Sent\nstars: 4',
    ],
    [
      'an order',
      {
        type: 'order',
        order: {
          text: 'soon',
          product_items: [
            { product_retailer_id: 'SODA', quantity: 2, item_price: 10, currency: 'EUR' },
          ],
        },
      },
      'Order:\n2 × SODA at 10 EUR\nsoon',
    ],
    [
      'a change of an earlier message',
      {
        type: 'edit',
        edit: { original_message_id: 'wamid.0', message: { type: 'text', text: { body: 'Now' } } },
      },
      'Now',
    ],
  ])('shows %s in words', (_what, message, content) => {
    const chat = read(message);
    expect(chat.message.content).toBe(content);
    expect(chat.message.kind).toBe('message');
    expect(chat.opensWindow).toBe(true);
  });

  it('of a change and of a deletion refers to the message that it is about', () => {
    const edit = read({ type: 'edit', edit: { original_message_id: 'wamid.0' } });
    expect(edit).toMatchObject({ answers: ['wamid.0'], notes: [expect.any(String)] });
    const revoke = read({ type: 'revoke', revoke: { original_message_id: 'wamid.0' } });
    expect(revoke).toMatchObject({
      answers: ['wamid.0'],
      opensWindow: false,
      message: { kind: 'notification' },
    });
  });

  it('takes a reaction for a mark, and an empty one for taking it back', () => {
    const reaction = (emoji?: string) =>
      read({ type: 'reaction', reaction: { message_id: 'wamid.0', ...(emoji && { emoji }) } });
    expect(reaction('👍')).toMatchObject({
      reaction: { to: 'wamid.0', emoji: '👍' },
      opensWindow: false,
    });
    expect(reaction().reaction).toEqual({ to: 'wamid.0', emoji: '' });
  });

  it('tells of a new number as a notice', () => {
    const system = { type: 'system', system: { body: 'Ada has a new number', wa_id: '491' } };
    expect(read(system)).toMatchObject({
      opensWindow: false,
      message: { kind: 'notification', content: 'Ada has a new number' },
    });
  });

  it.each([
    [
      'one that WhatsApp keeps back',
      { type: 'unsupported', unsupported: { type: 'poll' } },
      'poll',
    ],
    ['one that is new', { type: 'hologram', hologram: { id: 1 } }, 'hologram'],
    ['one that is called as what every object has', { type: 'constructor' }, 'constructor'],
    ['one whose content is missing', { type: 'interactive' }, 'interactive'],
    ['a file without an id', { type: 'image', image: {} }, 'image'],
  ])('names %s as such', (_what, message, kind) => {
    const errors = [{ code: 131051, error_data: { details: 'Not supported.' } }];
    const chat = read({ ...message, errors });
    expect(chat.message.content).toContain(`(${kind})`);
    expect(chat.notes).toEqual([expect.stringContaining('Not supported.')]);
    expect(chat.opensWindow).toBe(true);
  });

  it('is told apart from what was sent beside us', () => {
    const echo = {
      type: 'text',
      text: { body: 'From the phone' },
      from: '4930901820',
      to: '4915112345678',
    };
    const chat = read(echo, { contacts: undefined }, 'message_echoes');
    expect(chat).toMatchObject({
      party: { address: '+4915112345678', name: '' },
      opensWindow: false,
      message: {
        direction: 'outbound',
        status: 'sent',
        from: '+4930901820',
        to: [{ address: '+4915112345678' }],
      },
    });
  });

  it('of somebody who shows no number is kept under the id that Meta gives', () => {
    const contacts = [{ profile: { name: 'Ada', username: 'ada' }, user_id: 'DE.77' }];
    const hidden = { type: 'text', text: { body: 'x' }, from: undefined, from_user_id: 'DE.77' };
    const chat = read(hidden, { contacts });
    expect(chat.party).toEqual({ address: 'DE.77', name: 'Ada' });
    expect(specific(chat)).toMatchObject({ phone_number: null, username: 'ada' });
  });

  it('takes nobody’s name for another’s', () => {
    const contacts = [
      { profile: { name: 'Bob' }, wa_id: '4915100000000' },
      { profile: { name: 'Ada' }, wa_id: '4915112345678' },
    ];
    expect(read({ type: 'text', text: { body: 'x' } }, { contacts }).party.name).toBe('Ada');
  });

  it('fails clearly where there is none', () => {
    expect(() => readMessage(Buffer.from('{}'), { receivedAt })).toThrow();
    const empty = { object: 'whatsapp_business_account', entry: [] };
    expect(() => readMessage(Buffer.from(JSON.stringify(empty)), { receivedAt })).toThrow(
      'no message',
    );
    const nobody = { type: 'text', text: { body: 'x' }, from: undefined };
    expect(() => read(nobody, { contacts: [] })).toThrow('names nobody');
  });
});

const corpus = new URL('../../../shared/corpora/whatsapp/updates/', import.meta.url);

/** Every call in the corpus, by where it stands. */
function* callsIn(value: unknown, path: string): Generator<[string, object]> {
  if (typeof value !== 'object' || value === null) return;
  if ('entry' in value && Array.isArray(value.entry)) yield [path, value];
  else for (const [key, inner] of Object.entries(value)) yield* callsIn(inner, `${path}.${key}`);
}

function corpusCalls(): [string, object][] {
  try {
    return readdirSync(corpus).flatMap((file) => [
      ...callsIn(JSON.parse(readFileSync(new URL(file, corpus), 'utf8')), file),
    ]);
  } catch {
    return [['no corpus here', { object: 'whatsapp_business_account', entry: [] }]];
  }
}

it.each(corpusCalls())('reads or plainly refuses %s', (path, recorded) => {
  const isMessage = /"(messages|message_echoes)":/.test(JSON.stringify(recorded));
  const reading = () => readMessage(Buffer.from(JSON.stringify(recorded)), { receivedAt });
  if (!isMessage) {
    expect(reading).toThrow('no message');
    return;
  }
  const chat = reading();
  expect(() => NormalizedMessage.parse(chat.message)).not.toThrow();
  const isUnreadable = /unsupported|with_err/.test(path);
  expect(chat.notes.length > 0).toBe(isUnreadable || /edit/.test(path));
});
