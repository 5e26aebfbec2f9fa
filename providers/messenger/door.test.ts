import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { DoorRequest, ProviderCall } from '../contract.ts';
import { createLogger } from '../../telemetry/log.ts';
import { door } from './door.ts';
import { MessengerSettings } from './manifest.ts';
import { readEvent } from './map.ts';

const settings = MessengerSettings.parse({
  page_id: '900',
  page_access_token: 't',
  app_secret: 's',
  verify_token: 'v',
});
// All that a door asks for.
const call = { settings, log: createLogger('fatal') } as ProviderCall<MessengerSettings>;

function request(entries: object[], object = 'page', secret = 's'): DoorRequest {
  const body = Buffer.from(JSON.stringify({ object, entry: entries }));
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  const headers = { 'x-hub-signature-256': `sha256=${signature}` };
  return { method: 'POST', headers, query: {}, body, receivedAt: new Date() };
}
const entry = (page: string, ...messaging: object[]) => ({ id: page, time: 1, messaging });
const text = (mid: string) => ({
  sender: { id: '7001' },
  recipient: { id: '900' },
  timestamp: 1763712000000,
  message: { mid, text: mid },
});

describe('the door', () => {
  it('tells whose pages a call speaks of; one about numbers is another’s', () => {
    expect(
      door.accounts!(request([entry('900', text('a')), entry('901', text('b')), entry('902')])),
    ).toEqual(['900', '901', '902']);
    expect(door.accounts!(request([{ id: '900' }], 'whatsapp_business_account'))).toEqual([]);
    const handshake = { ...request([]), method: 'GET', body: Buffer.alloc(0) };
    expect(door.accounts!(handshake)).toEqual([]);
  });

  it('brings its own page’s events, each alone and under its own id', async () => {
    const { sources, statuses } = await door.receive(
      request([
        entry('900', text('m_1'), { ...text('m_2'), unheard_of: { of: 1 } }),
        entry('901', text('m_3')),
        entry('900', { sender: { id: '7001' }, typing: {} }, text('m_4')),
      ]),
      call,
    );
    expect(sources.map(({ providerMessageId }) => providerMessageId)).toEqual([
      'm_1',
      'm_2',
      'm_4',
    ]);
    expect(
      sources.map(({ source }) => readEvent(source, { receivedAt: new Date() }).message.content),
    ).toEqual(['m_1', 'm_2', 'm_4']);
    expect(JSON.parse(String(sources[1]!.source))).toMatchObject({
      entry: [{ id: '900', messaging: [{ unheard_of: { of: 1 } }] }],
    });
    expect(statuses).toEqual([]);
  });

  it('loses no event beside one that can’t be read', async () => {
    const broken = { sender: 'somebody', message: { text: 'without an id' } };
    const { sources } = await door.receive(request([entry('900', broken, text('m_5'))]), call);
    expect(sources.map(({ providerMessageId }) => providerMessageId)).toEqual([
      'm_5',
      expect.stringMatching(/^sha256:/),
    ]);
    expect(sources[1]!.unreadable).toBe(true);
    expect(() => readEvent(sources[1]!.source, { receivedAt: new Date() })).toThrow(
      /can’t be read: message: mid: /,
    );
  });

  it('takes ids that come as numbers, and names what is of no page', async () => {
    const number = {
      sender: { id: 7001 },
      recipient: { id: 900 },
      timestamp: 1763712000000,
      message: { mid: 'm_6', text: 'Hi' },
    };
    const asked = request([
      { id: 900, messaging: [number, 7], standby: 'nonsense' },
      { messaging: [text('m_7')] },
      'nonsense' as never,
    ]);
    expect(door.accounts!(asked)).toEqual(['900']);
    expect(door.strays!(asked)).toEqual([{ messaging: [text('m_7')] }, 'nonsense']);
    const { sources } = await door.receive(asked, call);
    expect(
      sources.map(({ providerMessageId, unreadable }) => unreadable ?? providerMessageId),
    ).toEqual(['m_6', true, true]);
    const { party } = readEvent(sources[0]!.source, { receivedAt: new Date() });
    expect(party.address).toBe('7001');
    expect(JSON.parse(String(sources[2]!.source))).toMatchObject({
      entry: [{ id: '900', standby: ['nonsense'] }],
    });
  });

  it('tells what arrived and what was read, by ids and by marks in time', async () => {
    const person = { sender: { id: '7001' }, recipient: { id: '900' } };
    const { sources, statuses } = await door.receive(
      request([
        entry(
          '900',
          { ...person, delivery: { mids: ['m_6'], watermark: 1763712001000 } },
          { ...person, delivery: { watermark: 1763712002000 } },
          { ...person, read: { watermark: 1763712003000 } },
          { ...person, read: { watermark: 'never' } },
        ),
      ]),
      call,
    );
    expect(sources).toEqual([expect.objectContaining({ unreadable: true })]);
    const mark = (ms: number, status: string) => ({
      of: { sentTo: '7001', until: new Date(ms) },
      status,
      at: new Date(ms),
    });
    expect(statuses).toEqual([
      { of: { providerMessageId: 'm_6' }, status: 'delivered', at: new Date(1763712001000) },
      mark(1763712001000, 'delivered'),
      mark(1763712002000, 'delivered'),
      mark(1763712003000, 'read'),
    ]);
  });

  it('shakes hands with whoever knows the word, and lets in what the secret signed', async () => {
    const verify = async (asked: DoorRequest) => door.verify(asked, call, () => false);
    const handshake = (token: string): DoorRequest => ({
      ...request([]),
      method: 'GET',
      query: { 'hub.mode': 'subscribe', 'hub.verify_token': token, 'hub.challenge': '42' },
    });
    await expect(verify(handshake('w'))).rejects.toMatchObject({ status: 403 });
    await expect(verify(handshake('v'))).resolves.toBeUndefined();
    await expect(door.receive(handshake('v'), call)).resolves.toMatchObject({
      answer: { status: 200, body: '42' },
    });
    await expect(verify(request([entry('900', text('a'))]))).resolves.toBeUndefined();
    await expect(verify(request([], 'page', 'another'))).rejects.toMatchObject({
      code: 'messenger.bad_signature',
    });
  });

  it('refuses what can’t be read', () => {
    const broken = { ...request([]), body: Buffer.from('{') };
    expect(() => door.accounts!(broken)).toThrow(
      expect.objectContaining({ status: 400, code: 'messenger.unreadable' }),
    );
  });
});
