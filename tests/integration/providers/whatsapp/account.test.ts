import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { MediaReference } from '../../../../domain/chat.ts';
import type { MessageTemplate } from '../../../../domain/message-template.ts';
import { whatsapp } from '../../../../providers/whatsapp/provider.ts';
import { addTemplate } from '../../../../simulators/meta/templates.ts';
import { unused } from '../cut-off.ts';
import { CUSTOMER } from './answers.ts';
import { whatsappFixture, type WhatsAppFixture } from './fixture.ts';

let at: WhatsAppFixture;
/** Of an id that is nobody's the simulator doesn't know by which description to judge the request. */
let asksForStrangers: boolean;
beforeEach(async () => {
  asksForStrangers = false;
  at = await whatsappFixture();
});
afterEach(async () => {
  if (!asksForStrangers) expect(at.simulator.violations).toEqual([]);
  await at.close();
});

const chat = whatsapp.chat!;

async function collected<T>(all: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of all) items.push(item);
  return items;
}
const BYTES = Buffer.from('a picture');

describe('a trial of the settings', () => {
  const validate = (settings: Record<string, unknown> = {}) =>
    whatsapp.validate!(at.call(settings));

  it('finds nothing to say of what is right', async () => {
    expect(await validate()).toEqual({
      ok: true,
      problems: [],
      warnings: [],
      facts: [
        expect.stringMatching(
          /^\+1 555.*: Postroom Test, quality GREEN, throughput STANDARD \(80 messages a second\), 2,000 new customers a day$/,
        ),
      ],
    });
    expect(at.number.sent).toEqual([]);
  });

  it.each([
    ['a token that has expired', 'expired', 'login', '/settings/access_token'],
    ['a token that was taken back', 'revoked', 'login', '/settings/access_token'],
  ] as const)('names %s', async (_what, state, step, pointer) => {
    at.number.token.state = state;
    expect(await validate()).toMatchObject({ ok: false, problems: [{ step, pointer }] });
  });

  it.each([
    ['another number', { phone_number_id: '42' }, 'settings', '/settings/phone_number_id'],
    ['another account', { business_account_id: '42' }, 'settings', '/settings/business_account_id'],
    ['another app’s secret', { app_secret: 'other' }, 'login', '/settings/app_secret'],
    ['a host that may not be asked', { base_url: 'http://10.0.0.1' }, 'host', '/settings/base_url'],
  ])('names %s', async (_what, settings, step, pointer) => {
    asksForStrangers = true;
    expect(await validate(settings)).toMatchObject({ ok: false, problems: [{ step, pointer }] });
  });

  it('names a host where nobody is', async () => {
    const settings = { base_url: await unused() };
    const problem = { step: 'host', pointer: '/settings/base_url' };
    expect(await validate(settings)).toMatchObject({ ok: false, problems: [problem] });
  });

  it('names an account that the number is not of', async () => {
    const other = at.simulator.number();
    expect(await validate({ business_account_id: other.account.id })).toMatchObject({
      ok: false,
      problems: [{ detail: expect.stringContaining('does not belong') }],
    });
  });

  it.each(['whatsapp_business_messaging', 'whatsapp_business_management'])(
    'names the permission %s that a token lacks',
    async (permission) => {
      at.number.token.permissions.delete(permission);
      const report = await validate();
      if (permission === 'whatsapp_business_management')
        expect(report).toMatchObject({
          ok: false,
          problems: [{ step: 'permission', detail: expect.stringContaining(permission) }],
        });
      else expect(report.ok).toBe(true); // told by a send alone
    },
  );

  it('warns of a number that customers complain of, and of an account that nobody listens to', async () => {
    Object.assign(at.number, { qualityRating: 'RED', throughput: 'NOT_APPLICABLE' });
    at.number.account.subscribed = false;
    const { ok, warnings } = await validate();
    expect(ok).toBe(true);
    expect(warnings).toEqual([
      expect.stringContaining('RED'),
      expect.stringContaining('throughput'),
      expect.stringContaining('No app is subscribed'),
    ]);
  });

  it('warns of an account that isn’t named, and of a channel that is off', async () => {
    const settings = { business_account_id: undefined, whatsapp_enabled: false };
    expect(await validate(settings)).toMatchObject({
      ok: true,
      warnings: [expect.stringContaining('off'), expect.stringContaining('business_account_id')],
    });
  });
});

describe('a number’s health', () => {
  const health = (given: object = {}) => {
    Object.assign(at.number, given);
    return chat.health!(at.call());
  };

  it('is told in numbers and in the vendor’s own words', async () => {
    expect(await health()).toEqual({
      quality: 'high',
      connected: true,
      name_approved: true,
      customers_a_day: 2000,
      messages_a_second: 80,
      warnings: [],
      told: {
        quality_rating: 'GREEN',
        status: 'CONNECTED',
        name_status: 'APPROVED',
        messaging_limit: 'TIER_2K',
        throughput: 'STANDARD',
      },
    });
  });

  it.each([
    [{ tier: 'TIER_250' }, { customers_a_day: 250 }],
    [{ tier: 'TIER_100K' }, { customers_a_day: 100_000 }],
    [{ tier: 'TIER_UNLIMITED' }, { customers_a_day: 'unlimited' }],
    [{ tier: 'TIER_NOT_SET' }, { customers_a_day: null }],
    [{ throughput: 'HIGH' }, { messages_a_second: 1000 }],
    [{ throughput: 'NOT_APPLICABLE' }, { messages_a_second: null }],
    [{ onBusinessApp: true }, { messages_a_second: 20 }],
    [
      { qualityRating: 'UNKNOWN', status: 'UNKNOWN' },
      { quality: 'unknown', connected: null },
    ],
  ])('knows %j', async (given, expected) => {
    expect(await health(given)).toMatchObject(expected);
  });

  it.each([
    [{ qualityRating: 'RED' }, { quality: 'low' }, 'customers block it'],
    [{ status: 'FLAGGED' }, { connected: true }, 'flagged'],
    [{ status: 'RESTRICTED' }, { connected: true }, 'within 24 hours'],
    [{ status: 'DISCONNECTED' }, { connected: false }, 'WhatsApp Manager'],
    [{ nameStatus: 'DECLINED' }, { name_approved: false }, 'display name'],
  ])('warns of %j in plain words', async (given, expected, words) => {
    const told = await health(given);
    expect(told).toMatchObject({ ...expected, warnings: [expect.stringContaining(words)] });
  });
});

describe('files', () => {
  const reference = (more: Partial<MediaReference>): MediaReference => ({
    id: null,
    url: null,
    filename: null,
    contentType: null,
    sha256: null,
    inline: false,
    ...more,
  });
  const stored = () =>
    at.simulator.world.media.add({
      owner: at.number.id,
      bytes: BYTES,
      contentType: 'image/png',
    });
  const fetched = async (media: MediaReference) => {
    const { content, contentType } = await chat.fetchMedia(at.call(), media);
    return [await buffer(content), contentType];
  };

  it('are fetched by their id', async () => {
    expect(await fetched(reference({ id: stored().id }))).toEqual([BYTES, 'image/png']);
  });

  it('that a customer sent are the ones that their message names', async () => {
    const file = { kind: 'image' as const, bytes: BYTES, contentType: 'image/png' };
    at.simulator.hooks.hold();
    const door = await listening();
    await at.simulator.connect(door.url, at.number.app);
    at.simulator.writes(at.number, { phone: CUSTOMER }, { file });
    const [call] = await at.simulator.hooks.release();
    door.close();
    const { sources } = await whatsapp.door!.receive(
      { method: 'POST', headers: {}, query: {}, body: call!.body, receivedAt: new Date() },
      at.call(),
    );
    const read = whatsapp.manifest.source;
    if (read === 'mime') throw new Error('WhatsApp’s sources are no mail');
    const [media] = read(sources[0]!.source, { receivedAt: new Date() }).media;
    expect(await fetched(media!)).toEqual([BYTES, 'image/png']);
    expect(media!.sha256).toBe(createHash('sha256').update(BYTES).digest('hex'));
  });

  it('whose link ended on the way are asked for once more', async () => {
    const { id } = stored();
    at.simulator.world.media.linkMs = 0;
    const asking = at.call({}, { network: linksThatLastFromTheSecond() });
    const { content } = await chat.fetchMedia(asking, reference({ id }));
    expect(await buffer(content)).toEqual(BYTES);
  });

  it('that are not there any more are given up', async () => {
    asksForStrangers = true;
    at.simulator.world.media.linkMs = 0;
    for (const id of [stored().id, '404'])
      await expect(fetched(reference({ id }))).rejects.toMatchObject({
        code: 'whatsapp.file_gone',
        class: 'give_up',
      });
  });

  it('are never asked for with the token at a host that is not Meta’s', async () => {
    const seen: string[] = [];
    const stranger = createServer((request, response) => {
      seen.push(String(request.headers.authorization));
      response.end();
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as AddressInfo; // a TCP listener has one
    await expect(
      fetched(reference({ url: `http://127.0.0.1:${port}/whatsapp` })),
    ).rejects.toMatchObject({ code: 'whatsapp.file_elsewhere', class: 'give_up' });
    stranger.close();
    expect(seen).toEqual([]);
  });

  it.each([
    ['unavailable', 'retry'],
    ['too_many', 'wait'],
    ['token_expired', 'reauthenticate'],
    ['reset', 'retry'],
  ] as const)('are tried again or not as the answer says: %s', async (kind, expected) => {
    const { id } = stored();
    for (const match of [/^GET \/v/, /^GET \/whatsapp_business/]) {
      at.simulator.faults.failNext({ kind, match });
      await expect(fetched(reference({ id }))).rejects.toMatchObject({ class: expected });
    }
  });

  function linksThatLastFromTheSecond() {
    const { network } = at.call();
    return {
      ...network,
      fetch: async (...[url, init]: Parameters<typeof network.fetch>) => {
        const answer = await network.fetch(url, init);
        if (answer.status === 404) at.simulator.world.media.linkMs = 60_000;
        return answer;
      },
    };
  }

  /** A door that shakes hands. */
  async function listening(): Promise<{ url: string; close: () => void }> {
    const door = createServer((request, response) => {
      const { searchParams } = new URL(request.url!, 'http://door');
      response.end(searchParams.get('hub.challenge'));
    });
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    const { port } = door.address() as AddressInfo; // a TCP listener has one
    return {
      url: `http://127.0.0.1:${port}/`,
      close() {
        door.close();
        door.closeAllConnections();
      },
    };
  }
});

describe('templates', () => {
  const all = (settings: Record<string, unknown> = {}) =>
    collected(chat.templates!(at.call(settings)));
  const named = async (name: string) => (await all()).find((template) => template.name === name)!;

  it('are read with language, state, reason and what they want to be given', async () => {
    const byKey = new Map(
      (await all()).map((template) => [`${template.name}/${template.language}`, template]),
    );
    expect(new Set(byKey.keys())).toEqual(
      new Set([
        'hello_world/en_US',
        'order_shipped/en_US',
        'spring_sale/en_US',
        'survey/en_US',
        'ticket_update/de',
        'ticket_update/en_US',
      ]),
    );
    expect(byKey.get('ticket_update/de')).toEqual({
      name: 'ticket_update',
      language: 'de',
      status: 'approved',
      category: 'UTILITY',
      body: 'Hallo {{1}}, zu Ihrer Anfrage {{2}} gibt es Neues.',
      header: null,
      footer: null,
      parameters: [
        { in: 'body', key: '1', kind: 'text', example: 'Ada' },
        { in: 'body', key: '2', kind: 'text', example: '#1042' },
      ],
      reason: null,
    } satisfies MessageTemplate);
    expect(byKey.get('order_shipped/en_US')).toMatchObject({ hasButtons: true });
    expect(byKey.get('order_shipped/en_US')!.parameters).toEqual([
      { in: 'header', key: '1', kind: 'image', example: 'https://example.com/box.png' },
      { in: 'body', key: 'customer_name', kind: 'text', example: 'Ada' },
      { in: 'body', key: 'order', kind: 'text', example: '7-1815' },
      { in: 'button', key: '1', kind: 'text', button: 0, example: null },
    ]);
    expect(byKey.get('hello_world/en_US')).toMatchObject({
      header: 'Hello World',
      footer: 'WhatsApp Business Platform sample message',
      parameters: [],
    });
    expect(byKey.get('spring_sale/en_US')).toMatchObject({
      status: 'rejected',
      reason: 'TAG_CONTENT_MISMATCH',
    });
    expect(byKey.get('survey/en_US')).toMatchObject({ status: 'pending', reason: null });
  });

  it('are read to the last page', async () => {
    for (let n = 0; n < 250; n += 1)
      addTemplate(at.number.account, {
        name: `t${n}`,
        language: 'en',
        status: 'PAUSED',
        category: 'UTILITY',
        components: [{ type: 'BODY', text: `${n}` }],
      });
    const names = (await all()).map(({ name }) => name);
    expect(new Set(names.filter((name) => /^t\d/.test(name))).size).toBe(250);
    expect(await named('t249')).toMatchObject({ status: 'paused', reason: 'PAUSED' });
  });

  it('with parts that can’t be given are not offered', async () => {
    addTemplate(at.number.account, {
      name: 'visit_us',
      language: 'en',
      status: 'APPROVED',
      category: 'MARKETING',
      components: [
        { type: 'HEADER', format: 'LOCATION' },
        { type: 'BODY', text: 'x' },
      ],
    });
    expect(await named('visit_us')).toMatchObject({
      status: 'disabled',
      reason: expect.stringContaining('LOCATION'),
    });
  });

  it('want an account, and a token that may read them', async () => {
    await expect(all({ business_account_id: undefined })).rejects.toMatchObject({
      class: 'give_up',
    });
    at.number.token.state = 'expired';
    await expect(all()).rejects.toMatchObject({ class: 'reauthenticate' });
  });
});

describe('the rest', () => {
  it('shows the customer that a message was read, where that is wanted', async () => {
    const message = { providerMessageId: 'wamid.1', address: CUSTOMER };
    await chat.markRead!(at.call({ mark_read: false }), message);
    expect(at.number.marked).toEqual([]);
    await chat.markRead!(at.call(), message);
    expect(at.number.marked).toEqual(['wamid.1']);
  });

  it('subscribes the account’s webhooks, and leaves them to its other numbers', async () => {
    const { renew, release } = whatsapp.door!.subscription!;
    at.number.account.subscribed = false;
    expect(await renew(at.call({ business_account_id: undefined }))).toBeNull();
    const renewed = await renew(at.call());
    expect(at.number.account.subscribed).toBe(true);
    expect(renewed!.expiresAt.getTime()).toBeGreaterThan(Date.now());
    await release(at.call());
    expect(at.number.account.subscribed).toBe(true);
  });

  it('knows only of what is no number that nobody is there', async () => {
    const ask = (address: string) => chat.checkAddress!(at.call(), address);
    expect(await ask('+491')).toBe(false);
    expect(await ask(CUSTOMER)).toBeNull();
    expect(await ask('DE.77')).toBeNull();
  });
});
