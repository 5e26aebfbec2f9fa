import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { DoorRequest, ProviderCall } from '../contract.ts';
import { createLogger } from '../../telemetry/log.ts';
import { door } from './door.ts';
import { WhatsAppSettings } from './manifest.ts';
import { readMessage } from './map.ts';

const settings = WhatsAppSettings.parse({
  phone_number_id: '11',
  access_token: 't',
  app_secret: 's',
  verify_token: 'v',
});
const callWith = (more: Partial<WhatsAppSettings> = {}) =>
  ({
    settings: { ...settings, ...more },
    log: createLogger('fatal'),
  }) as ProviderCall<WhatsAppSettings>; // all that a door asks for

function request(entries: object[], object = 'whatsapp_business_account'): DoorRequest {
  const body = Buffer.from(JSON.stringify({ object, entry: entries }));
  const signature = createHmac('sha256', 's').update(body).digest('hex');
  const headers = { 'x-hub-signature-256': `sha256=${signature}` };
  return { method: 'POST', headers, query: {}, body, receivedAt: new Date() };
}
const change = (id: string, value: object, field = 'messages') => ({
  field,
  value: { metadata: { phone_number_id: id, display_phone_number: '4930901820' }, ...value },
});
const text = (id: string, from = '491') => ({
  id,
  from,
  timestamp: '1763712000',
  type: 'text',
  text: { body: id },
});
const receive = async (call: DoorRequest, more?: Partial<WhatsAppSettings>) =>
  door.receive(call, callWith(more));

describe('the door', () => {
  it('tells whose numbers a call speaks of, over all its entries, and of which account as a whole', () => {
    const call = request([
      { id: 'a', changes: [change('11', { messages: [text('m')] }), change('12', {})] },
      { id: 'b', changes: [change('13', {}), { field: 'account_update', value: { event: 'x' } }] },
    ]);
    expect(door.accounts!(call)).toEqual(['11', '12', '13', 'b']);
    expect(door.accounts!(request([{ id: '11', messaging: [] }], 'page'))).toEqual([]);
    expect(door.accounts!({ ...call, method: 'GET', body: Buffer.alloc(0) })).toEqual([]);
  });

  it('takes a state whose time is none for one of now', async () => {
    const began = Date.now();
    const states = [{ id: 'w1', status: 'sent', timestamp: '1e300', recipient_id: '491' }];
    const { statuses } = await receive(
      request([{ id: 'a', changes: [change('11', { statuses: states })] }]),
    );
    expect(statuses![0]!.at.getTime()).toBeGreaterThanOrEqual(began);
  });

  it('brings its own number’s messages, each alone and in Meta’s form', async () => {
    const contacts = [
      { wa_id: '491', profile: { name: 'Ada' } },
      { wa_id: '492', profile: { name: 'Bob' } },
    ];
    const call = request([
      {
        id: 'a',
        changes: [
          change('11', { contacts, messages: [text('m1'), text('m2', '492')] }),
          change('12', { messages: [text('other')] }),
          change(
            '11',
            { message_echoes: [{ ...text('e1', '30'), to: '491' }] },
            'smb_message_echoes',
          ),
        ],
      },
    ]);
    const { sources } = await receive(call);
    expect(sources.map((source) => source.providerMessageId)).toEqual(['m1', 'm2', 'e1']);
    const read = sources.map(({ source }) => readMessage(source, { receivedAt: new Date() }));
    expect(
      read.map(({ message, party }) => [message.direction, message.content, party.name]),
    ).toEqual([
      ['inbound', 'm1', 'Ada'],
      ['inbound', 'm2', 'Bob'],
      ['outbound', 'e1', ''],
    ]);
    expect(String(sources[0]!.source)).not.toContain('Bob');
  });

  it('reads states, and names a message whose id never came by the mark that went along', async () => {
    const at = { timestamp: '1763712000', recipient_id: '491' };
    const error = { code: 131047, title: 'Re-engagement message' };
    const { statuses } = await receive(
      request([
        {
          id: 'a',
          changes: [
            change('11', {
              statuses: [
                { id: 'w1', status: 'sent', ...at },
                {
                  id: 'w2',
                  status: 'played',
                  ...at,
                  biz_opaque_callback_data: 'postroom:msg_7:a@b',
                },
                { id: 'w3', status: 'failed', ...at, errors: [error] },
                { id: 'w4', status: 'pondered', ...at },
                { id: 'w6', status: 'constructor', ...at },
                { id: 'w5', status: 'read', ...at, recipient_type: 'group' },
              ],
            }),
            change('11', { statuses: [{ id: 'wacid', status: 'RINGING', ...at }] }, 'calls'),
          ],
        },
      ]),
    );
    const date = new Date('2025-11-21T08:00:00Z');
    expect(statuses).toEqual([
      { of: { providerMessageId: 'w1' }, status: 'sent', at: date },
      { of: { providerMessageId: 'w2', sentAs: 'msg_7' }, status: 'read', at: date },
      {
        of: { providerMessageId: 'w3' },
        status: 'failed',
        at: date,
        code: 'whatsapp.window_closed',
        detail: expect.stringMatching(/only a template.*\(131047\): Re-engagement/),
      },
    ]);
  });

  it('keeps what comes to a channel that is off in the journal only', async () => {
    const call = request([{ id: 'a', changes: [change('11', { messages: [text('m')] })] }]);
    const { sources } = await receive(call, { whatsapp_enabled: false });
    expect(sources).toEqual([
      expect.objectContaining({ turnedAway: expect.stringContaining('whatsapp_enabled') }),
    ]);
  });

  it('takes the rest of a call of which a part can’t be read', async () => {
    const { sources } = await receive(
      request([
        {
          id: 'a',
          changes: [
            { field: 'messages', value: 'nonsense' },
            change('11', { messages: [{ type: 'text' }, 7, text('m')], statuses: [7] }),
          ],
        },
      ]),
    );
    const readable = sources.filter(({ unreadable }) => !unreadable);
    expect(readable.map((source) => source.providerMessageId)).toEqual(['m']);
    const aside = sources.filter(({ unreadable }) => unreadable);
    const kept = (kind: string, one: unknown) => ({
      object: 'whatsapp_business_account',
      entry: [
        {
          id: 'a',
          changes: [change('11', { [kind]: [one] })],
        },
      ],
    });
    expect(aside.map(({ source }) => JSON.parse(String(source)) as unknown)).toEqual([
      kept('messages', { type: 'text' }),
      kept('messages', 7),
      kept('statuses', 7),
    ]);
    expect(new Set(aside.map(({ providerMessageId }) => providerMessageId)).size).toBe(3);
    const reasons = aside.map(({ source }) => {
      try {
        return readMessage(source, { receivedAt: new Date() });
      } catch (error) {
        return String(error);
      }
    });
    expect(reasons).toEqual([
      expect.stringMatching(/This message .* can’t be read: id: /),
      expect.stringMatching(/This message .* can’t be read: /),
      expect.stringMatching(/This report .* can’t be read: /),
    ]);
  });

  it('reads ids that come as numbers, to the last digit, and changes without a field', async () => {
    const value = {
      metadata: { phone_number_id: 11, display_phone_number: 4930901820 },
      contacts: [7, { wa_id: 491, profile: { name: 'Ada' } }],
      messages: [{ ...text('m'), from: 491 }],
      statuses: [{ id: 'w1', status: 'sent', timestamp: '1763712000' }],
    };
    const call = request([{ id: 1, changes: [{ value }] }, 'nonsense' as never]);
    const long = String(call.body).replace('"id":1,', '"id":17841400000000001,');
    const asNumber = { ...call, body: Buffer.from(long) };
    expect(door.accounts!(asNumber)).toEqual(['11']);
    const { sources, statuses } = await receive(asNumber);
    expect(statuses).toMatchObject([{ of: { providerMessageId: 'w1' }, status: 'sent' }]);
    expect(sources.map(({ providerMessageId }) => providerMessageId)).toEqual(['m']);
    expect(JSON.parse(String(sources[0]!.source))).toMatchObject({
      entry: [{ id: '17841400000000001' }],
    });
    const { party, message } = readMessage(sources[0]!.source, { receivedAt: new Date() });
    expect([party, message.to[0]!.address]).toEqual([
      { address: '+491', name: 'Ada' },
      '+4930901820',
    ]);
  });

  it('leaves text with long numbers in it as it is', async () => {
    const body = 'Order 12345678901234567, \\"99999999999999999\\":12345678901234567';
    const call = request([
      { id: 'a', changes: [change('11', { messages: [{ ...text('m'), text: { body } }] })] },
    ]);
    const [source] = (await receive(call)).sources;
    const { message } = readMessage(source!.source, { receivedAt: new Date() });
    expect(message.content).toBe(body);
  });

  it('names what is of no number, and takes what stands beside it', async () => {
    const nameless = { field: 'messages', value: { messages: [text('x')] } };
    const call = request([
      'nonsense' as never,
      {
        id: 'a',
        changes: [
          nameless,
          { field: 'messages', value: 3 },
          change('11', { messages: [text('m')] }),
        ],
      },
      { id: 'b', changes: 'none' },
      { id: 'c', changes: [{ field: 'account_update', value: { event: 'x' } }] },
    ]);
    expect(door.strays!(call)).toEqual([
      'nonsense',
      nameless,
      { field: 'messages', value: 3 },
      'none',
    ]);
    expect((await receive(call)).sources.map((one) => one.providerMessageId)).toEqual(['m']);
    expect(door.strays!(request(['nonsense' as never], 'page'))).toEqual([]);
    const noList = {
      ...call,
      body: Buffer.from('{"object":"whatsapp_business_account","entry":3}'),
    };
    expect(door.strays!(noList)).toEqual([3]);
  });

  it('refuses a call that is no JSON', () => {
    expect(() => door.accounts!({ ...request([]), body: Buffer.from('no') })).toThrow(
      expect.objectContaining({ status: 400 }),
    );
  });

  it('refuses a call of too many values, wherever they stand, before it reads them', () => {
    const ones = Array.from({ length: 200_000 }, () => ({})) as object[];
    const members = Object.fromEntries(ones.map((_, place) => [`k${place}`, 0]));
    const calls = [
      request(ones),
      request([{ id: 'a', changes: ones }]),
      request([{ id: 'a', changes: [change('11', { contacts: ones })] }]),
      request([{ id: 'a', changes: [change('11', members)] }]),
    ];
    for (const call of calls)
      expect(() => door.accounts!(call)).toThrow(
        expect.objectContaining({ status: 413, code: 'whatsapp.too_many_items' }),
      );
  });

  it('takes a full batch of Meta’s, and commas, brackets and quotes in what people write for what they are', async () => {
    const written = '[{,"\\",'.repeat(400);
    const updates = Array.from({ length: 1_000 }, (_, n) =>
      change('11', {
        contacts: [{ wa_id: '491', profile: { name: 'Ada' } }],
        messages: [{ ...text(`m${n}`), text: { body: written } }],
      }),
    );
    const { sources } = await receive(request([{ id: 'a', changes: updates }]));
    expect(sources).toHaveLength(1_000);
    const read = readMessage(sources[999]!.source, { receivedAt: new Date() });
    expect(read.message.content).toBe(written);
  });

  it('does not store what stands beside the messages with each of them where it is large', async () => {
    const messages = [text('m1'), text('m2')];
    const large = 'x'.repeat(10_000);
    const beside = [
      { metadata: { phone_number_id: '11', display_phone_number: large } },
      { contacts: [{ wa_id: '491', profile: { name: large } }] },
      { errors: [{ code: 1, title: large }] },
    ];
    for (const more of beside)
      await expect(
        receive(request([{ id: 'a', changes: [change('11', { messages, ...more })] }])),
      ).rejects.toMatchObject({ status: 413, code: 'whatsapp.too_much_beside' });
    const withoutMessages = change('11', { history: [{ threads: large }] }, 'history');
    const { sources } = await receive(request([{ id: 'a', changes: [withoutMessages] }]));
    expect(sources).toEqual([]);
  });

  it('answers a handshake with the challenge, and only with the right token', async () => {
    const handshake = (token: string): DoorRequest => ({
      method: 'GET',
      headers: {},
      body: Buffer.alloc(0),
      query: { 'hub.mode': 'subscribe', 'hub.verify_token': token, 'hub.challenge': '42' },
      receivedAt: new Date(),
    });
    expect(() => door.verify(handshake('other'), callWith(), () => false)).toThrow(
      expect.objectContaining({ status: 403 }),
    );
    expect(door.verify(handshake('v'), callWith(), () => false)).toBeUndefined();
    expect(await receive(handshake('v'))).toMatchObject({ answer: { status: 200, body: '42' } });
  });
});
