import { describe, expect, it } from '@jest/globals';
import { eventId, readEvent } from './map.ts';
import { ownMark } from '../own-mark.ts';
import { Event } from './webhook.ts';

const receivedAt = new Date('2026-11-21T08:00:00Z');
const at = Date.parse('2026-11-21T07:59:58.500Z');
const PAGE = '900';
const ADA = '7001';

function read(event: object, list: 'messaging' | 'standby' = 'messaging') {
  const whole = { sender: { id: ADA }, recipient: { id: PAGE }, timestamp: at, ...event };
  const call = { object: 'page', entry: [{ id: PAGE, time: at, [list]: [whole] }] };
  return readEvent(Buffer.from(JSON.stringify(call)), { receivedAt });
}
const file = (type: string, url: string, more: object = {}) => ({
  type,
  payload: { url, ...more },
});

describe('what a person writes', () => {
  it('is a message of theirs to the page, at Meta’s time', () => {
    const { message, ...chat } = read({ message: { mid: 'm_1', text: 'Hello' } });
    expect(message).toMatchObject({
      channel: 'messenger',
      direction: 'inbound',
      kind: 'message',
      status: 'received',
      from: ADA,
      to: [{ name: '', address: PAGE }],
      content: 'Hello',
      timestamp: '2026-11-21T07:59:58.500Z',
      received_at: '2026-11-21T08:00:00.000Z',
      metadata: { platform_specific: { message_type: 'text', page_id: PAGE, sender_id: ADA } },
    });
    expect(chat).toEqual({
      party: { address: ADA, name: '' },
      answers: [],
      media: [],
      opensWindow: true,
      notes: [],
    });
  });

  it('tells of an appointment, also of one whose time is none', () => {
    const booking = (start_time: unknown) =>
      read({
        message: {
          mid: 'm_9',
          attachments: [{ type: 'appointment_booking', payload: { status: 'BOOKED', start_time } }],
        },
      }).message.content;
    expect(booking(1_763_712_000)).toBe('Appointment: BOOKED for 2025-11-21T08:00:00.000Z');
    expect(booking(1e20)).toBe('Appointment: BOOKED');
  });

  it('names the message it quotes', () => {
    expect(read({ message: { mid: 'm_2', text: 'No', reply_to: { mid: 'm_1' } } }).answers).toEqual(
      ['m_1'],
    );
  });

  it('carries files, each named by its place in the message', () => {
    const { media, message, notes } = read({
      message: {
        mid: 'm_3',
        attachments: [
          file('image', 'https://cdn.test/a.jpg?x=1'),
          file('file', 'https://cdn.test/v/Rechnung%20%C3%84.pdf?x=1'),
          file('audio', 'https://cdn.test/voice'),
        ],
      },
    });
    expect(media.map(({ id, filename, inline }) => [id, filename, inline])).toEqual([
      ['m_3#0', null, false],
      ['m_3#1', 'Rechnung Ä.pdf', false],
      ['m_3#2', null, true],
    ]);
    expect(message.metadata.platform_specific).toMatchObject({ message_type: 'image' });
    expect(notes).toEqual([]);
  });

  it('has a sticker once, though it comes as a sticker and as an image', () => {
    const { media, message } = read({
      message: {
        mid: 'm_4',
        attachments: [
          file('image', 'https://cdn.test/s.png', { sticker_id: 369239263222822 }),
          file('sticker', 'https://cdn.test/s.png', { sticker_id: '369239263222822' }),
        ],
      },
    });
    expect(media).toEqual([
      expect.objectContaining({ id: 'm_4#0', url: 'https://cdn.test/s.png', inline: true }),
    ]);
    expect(message.metadata.platform_specific).toMatchObject({ sticker_id: '369239263222822' });
  });

  it('shows links, places and products in words', () => {
    const words = (attachment: object, text?: string) =>
      read({ message: { mid: 'm_5', ...(text && { text }), attachments: [attachment] } }).message
        .content;
    const link = { type: 'fallback', title: 'Shop', payload: { url: 'https://shop.test/1' } };
    expect(words(link)).toBe('Shop\nhttps://shop.test/1');
    expect(words(link, 'Look: https://shop.test/1')).toBe('Look: https://shop.test/1');
    expect(words(file('ig_reel', 'https://r.test/2', { title: 'Cats' }))).toBe(
      'Cats\nhttps://r.test/2',
    );
    const place = { type: 'location', payload: { coordinates: { lat: 52.5, long: 13.4 } } };
    expect(words(place)).toContain('(52.5, 13.4)');
    const product = { elements: [{ title: 'Lamp', retailer_id: 'L-7' }] };
    expect(words({ type: 'template', payload: { product } })).toBe('Lamp, L-7');
  });

  it('names what it can’t show', () => {
    const { message, notes } = read({
      message: { mid: 'm_6', attachments: [{ type: 'hologram', payload: { beam: 1 } }] },
    });
    expect(message.content).toBe('[Something that can’t be shown here]');
    expect(notes).toEqual([expect.stringContaining('hologram')]);
  });

  it('is a choice where it is a quick reply or a postback', () => {
    const reply = read({ message: { mid: 'm_7', text: 'Yes', quick_reply: { payload: 'Y' } } });
    expect(reply.message).toMatchObject({
      content: 'Yes',
      metadata: {
        platform_specific: { message_type: 'quick_reply', quick_reply: { payload: 'Y' } },
      },
    });
    const tap = read({ postback: { mid: 'm_8', title: 'Get started', payload: 'START' } });
    expect(tap).toMatchObject({
      opensWindow: true,
      message: {
        kind: 'message',
        content: 'Get started',
        metadata: { platform_specific: { postback: { payload: 'START' } } },
      },
    });
  });

  it('may stand beside another app’s conversation', () => {
    expect(read({ message: { mid: 'm_9', text: 'Hi' } }, 'standby').message.metadata).toMatchObject(
      {
        platform_specific: { standby: true },
      },
    );
  });
});

describe('what happens to a message', () => {
  it('is a reaction, which may be taken back', () => {
    const react = { mid: 'm_1', action: 'react', reaction: 'love', emoji: '❤️' };
    expect(read({ reaction: react })).toMatchObject({
      reaction: { to: 'm_1', emoji: '❤️' },
      answers: ['m_1'],
      opensWindow: true,
    });
    expect(read({ reaction: { mid: 'm_1', action: 'react', reaction: 'wow' } }).reaction).toEqual({
      to: 'm_1',
      emoji: '😮',
    });
    expect(read({ reaction: { mid: 'm_1', action: 'unreact' } })).toMatchObject({
      reaction: { to: 'm_1', emoji: '' },
      opensWindow: false,
    });
  });

  it('is a change: the new words, which open no window', () => {
    expect(read({ message_edit: { mid: 'm_1', text: 'Hallo', num_edit: '2' } })).toMatchObject({
      message: {
        kind: 'message',
        content: 'Hallo',
        metadata: { platform_specific: { edits: 'm_1', edit_number: 2 } },
      },
      answers: ['m_1'],
      opensWindow: false,
      notes: [expect.stringContaining('changed')],
    });
  });

  it('is that it was unsent', () => {
    for (const deleted of [true, 'true'])
      expect(read({ message: { mid: 'm_1', is_deleted: deleted } })).toMatchObject({
        message: { kind: 'notification', metadata: { platform_specific: { deletes: 'm_1' } } },
        answers: ['m_1'],
        opensWindow: false,
      });
    expect(read({ message: { mid: 'm_1', text: 'x', is_deleted: 'false' } }).message.content).toBe(
      'x',
    );
  });
});

describe('how somebody came', () => {
  it('is told as a notice that lets the page write', () => {
    expect(read({ referral: { source: 'ADS', type: 'OPEN_THREAD', ref: 'spring' } })).toMatchObject(
      {
        message: {
          kind: 'notification',
          content: 'The customer came by an advertisement (spring).',
        },
        opensWindow: true,
      },
    );
  });
});

describe('an echo', () => {
  const echo = (metadata?: string) =>
    read({
      sender: { id: PAGE },
      recipient: { id: ADA },
      message: {
        mid: 'm_10',
        text: 'From the inbox',
        is_echo: true,
        app_id: 26390,
        ...(metadata !== undefined && { metadata }),
      },
    });

  it('is what the page sent to its person beside us', () => {
    expect(echo()).toMatchObject({
      message: {
        direction: 'outbound',
        status: 'sent',
        from: PAGE,
        to: [{ address: ADA }],
        content: 'From the inbox',
        metadata: { platform_specific: { app_id: '26390', sender_id: ADA } },
      },
      party: { address: ADA },
      opensWindow: false,
    });
    expect(echo().sentAs).toBeUndefined();
  });

  it('names the message of ours that it repeats', () => {
    const mark = ownMark({ id: 'msg_01ABC', messageId: 'x@y' });
    expect(echo(mark).sentAs).toBe('msg_01ABC');
    expect(echo('somebody else’s').sentAs).toBeUndefined();
  });
});

describe('an event’s id', () => {
  const id = (event: object) =>
    eventId(Event.parse({ sender: { id: ADA }, timestamp: at, ...event }));

  it('tells apart what happens to one message', () => {
    const ids = [
      { message: { mid: 'm_1', text: 'x' } },
      { message: { mid: 'm_1', is_deleted: true } },
      { message_edit: { mid: 'm_1', text: 'y', num_edit: 1 } },
      { message_edit: { mid: 'm_1', text: 'z', num_edit: 2 } },
      { reaction: { mid: 'm_1', action: 'react', emoji: '👍' } },
      { reaction: { mid: 'm_1', action: 'unreact' }, timestamp: at + 1 },
      { postback: { title: 'Go', payload: 'GO' } },
      { referral: { ref: 'x' } },
    ].map(id);
    expect(ids).not.toContain(null);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('is none where nothing is to be kept', () => {
    expect(id({ read: { watermark: at } })).toBeNull();
    expect(id({ pass_thread_control: {} })).toBeNull();
  });
});

it('takes no source that holds nothing', () => {
  expect(() => read({ read: { watermark: 1 } })).toThrow('no event');
  expect(() => readEvent(Buffer.from('{"object":"page"}'), { receivedAt })).toThrow('no call');
});
