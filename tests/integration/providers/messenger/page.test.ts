import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { messenger } from '../../../../providers/messenger/provider.ts';
import { readEvent } from '../../../../providers/messenger/map.ts';
import type { MessageTemplate } from '../../../../domain/message-template.ts';
import type { CustomerFile } from '../../../../simulators/meta/customers.ts';
import { addTemplate } from '../../../../simulators/meta/templates.ts';
import type { TemplateComponent } from '../../../../simulators/meta/world.ts';
import { ADA, facebook, type Facebook } from './fixture.ts';

let fb: Facebook;
beforeEach(async () => {
  fb = await facebook();
});
afterEach(async () => {
  const { violations } = fb.meta;
  await fb.meta.close();
  expect(violations).toEqual([]);
});

const { renew, release } = messenger.door!.subscription!;
const WANTED = [
  'messages',
  'messaging_postbacks',
  'messaging_referrals',
  'message_echoes',
  'message_deliveries',
  'message_reads',
  'message_reactions',
  'message_edits',
];

describe('the page’s subscription', () => {
  it('is made, looked at again, and ended', async () => {
    const kept = await renew(fb.call());
    expect([...fb.page.fields]).toEqual(WANTED);
    expect(kept!.expiresAt.getTime()).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    const asked = fb.meta.requests.length;
    expect((await renew(fb.call({ watch: kept!.state })))!.state).toEqual(kept!.state);
    expect(fb.meta.requests.slice(asked).map(({ method }) => method)).toEqual(['GET']);
    await release(fb.call({ watch: kept!.state }));
    expect(fb.page.fields.size).toBe(0);
  });

  it('is made anew where somebody ended it', async () => {
    const kept = await renew(fb.call());
    fb.page.fields.clear();
    await renew(fb.call({ watch: kept!.state }));
    expect([...fb.page.fields]).toEqual(WANTED);
  });

  it('leaves what was subscribed to for other ends', async () => {
    fb.page.fields.add('feed');
    const kept = await renew(fb.call());
    expect([...fb.page.fields]).toEqual(['feed', ...WANTED]);
    await release(fb.call({ watch: kept!.state }));
    expect([...fb.page.fields]).toEqual(['feed']);
    // Made by a renewal whose answer was lost: nothing is kept of it.
    await renew(fb.call());
    await release(fb.call());
    expect([...fb.page.fields]).toEqual(['feed']);
  });

  it('is left to the admin where the settings say so', async () => {
    expect(await renew(fb.call({}, { subscribe_page: false }))).toBeNull();
    expect(fb.meta.requests).toEqual([]);
  });

  it('that can’t be ended any more keeps no channel from ending', async () => {
    const kept = await renew(fb.call());
    fb.page.token.state = 'revoked';
    await expect(release(fb.call({ watch: kept!.state }))).resolves.toBeUndefined();
    fb.meta.faults.failNext({ kind: 'unavailable' });
    await expect(release(fb.call({ watch: kept!.state }))).rejects.toMatchObject({
      class: 'retry',
    });
  });
});

describe('a trial', () => {
  const report = (settings: object = {}) => messenger.validate!(fb.call({}, settings));

  it('finds nothing wrong where nothing is', async () => {
    expect(await report()).toEqual({
      ok: true,
      problems: [],
      warnings: [],
      facts: [`The page is "${fb.page.name}" (${fb.page.id}).`],
    });
  });

  it.each([
    ['expired', 'login', /expired/],
    ['revoked', 'login', /taken back/],
  ] as const)('names a token that is %s', async (state, step, words) => {
    fb.page.token.state = state;
    expect(await report()).toMatchObject({
      ok: false,
      problems: [
        { step, pointer: '/settings/page_access_token', detail: expect.stringMatching(words) },
      ],
    });
  });

  it.each(['pages_messaging', 'pages_manage_metadata'])(
    'names that %s is missing',
    async (name) => {
      fb.page.token.permissions.delete(name);
      const { ok, problems } = await report();
      expect(ok).toBe(false);
      expect(problems).toEqual([
        expect.objectContaining({
          step: 'permission',
          detail: expect.stringContaining(`lacks ${name}.`),
          pointer: '/settings/page_access_token',
        }),
      ]);
    },
  );

  it('names another page, another secret and another host', async () => {
    expect((await report({ page_id: '123' })).problems).toMatchObject([
      { step: 'settings', pointer: '/settings/page_id' },
    ]);
    expect((await report({ app_secret: 'another' })).problems).toMatchObject([
      { step: 'login', pointer: '/settings/app_secret' },
    ]);
    expect((await report({ base_url: 'http://127.0.0.1:9' })).problems).toMatchObject([
      { step: 'host', pointer: '/settings/base_url' },
    ]);
  });

  it('warns of what the page doesn’t tell, where it is subscribed by hand', async () => {
    fb.page.fields.add('messages');
    expect((await report({ subscribe_page: false })).warnings).toEqual([
      expect.stringContaining('message_reads'),
    ]);
  });
});

describe('the page’s templates', () => {
  const listed = async () => {
    const all: MessageTemplate[] = [];
    for await (const template of messenger.chat!.templates!(fb.call())) all.push(template);
    return all;
  };
  const add = (name: string, components: readonly TemplateComponent[]) =>
    addTemplate(fb.page, {
      name,
      language: 'en_US',
      status: 'APPROVED',
      category: 'UTILITY',
      components,
    });
  const body = (text: string) => ({ type: 'BODY', text }) as const;

  it('are read with what they want, page by page', async () => {
    add('update', [
      { type: 'HEADER', format: 'TEXT', text: 'Order {{1}}' },
      body('Hello {{1}}, it is {{2}}.'),
      { type: 'BUTTONS', buttons: [{ type: 'POSTBACK', text: 'Thanks' }] },
    ]);
    for (let n = 0; n < 150; n += 1) add(`other_${n}`, [body('Hello.')]);
    const all = await listed();
    expect(all).toHaveLength(151);
    expect(all[0]).toMatchObject({
      name: 'update',
      language: 'en_US',
      status: 'approved',
      header: 'Order {{1}}',
      body: 'Hello {{1}}, it is {{2}}.',
      parameters: [
        { in: 'header', key: '1', kind: 'text' },
        { in: 'body', key: '1', kind: 'text' },
        { in: 'body', key: '2', kind: 'text' },
      ],
    });
  });

  it('that want what can’t be given are told, and not offered', async () => {
    add('picture', [{ type: 'HEADER', format: 'IMAGE' }, body('Look.')]);
    const url = 'https://shop.test/{{1}}';
    add('link', [body('Look.'), { type: 'BUTTONS', buttons: [{ type: 'URL', text: 'Go', url }] }]);
    expect((await listed()).map(({ status, reason }) => [status, reason])).toEqual([
      ['disabled', expect.stringContaining('IMAGE')],
      ['disabled', expect.stringContaining('a link')],
    ]);
  });

  it('are none where the token may not read them; a refused token is said', async () => {
    add('update', [body('Hello.')]);
    fb.page.token.permissions.delete('page_utility_messaging');
    expect(await listed()).toEqual([]);
    fb.page.token.state = 'expired';
    await expect(listed()).rejects.toMatchObject({ code: 'messenger.token_expired' });
  });
});

describe('a person', () => {
  it('has a name where Facebook tells it', async () => {
    const profile = (psid: string) => messenger.chat!.profile!(fb.call(), psid);
    fb.page.token.permissions.add('user_profile');
    expect(await profile(ADA)).toEqual({ name: 'Ada Lovelace' });
    expect(await profile('7009')).toBeNull();
    fb.page.token.permissions.delete('user_profile');
    expect(await profile(ADA)).toBeNull();
    fb.page.token.permissions.delete('pages_messaging');
    expect(await profile(ADA)).toBeNull();
  });

  it('is shown that the page has read', async () => {
    const seen = { providerMessageId: 'm_1', address: ADA };
    await messenger.chat!.markRead!(fb.call({}, { mark_read: false }), seen);
    expect(fb.page.marked).toEqual([]);
    await messenger.chat!.markRead!(fb.call(), seen);
    expect(fb.page.marked).toEqual([ADA]);
  });
});

describe('a file', () => {
  const picture: CustomerFile = {
    kind: 'image',
    bytes: Buffer.from('89504e470d0a1a0a', 'hex'),
    contentType: 'image/png',
  };

  /** What Ada sends, as the door stored it. */
  async function written(files: readonly CustomerFile[]) {
    fb.page.fields.add('messages');
    fb.page.app.callbackUrl = 'http://127.0.0.1:9/nobody';
    fb.meta.hooks.hold();
    fb.meta.says(fb.page, { psid: ADA }, { files });
    const [call] = await fb.meta.hooks.release();
    return readEvent(call!.body, { receivedAt: new Date() }).media;
  }
  const fetched = async (media: Awaited<ReturnType<typeof written>>[number]) => {
    const { content, contentType } = await messenger.chat!.fetchMedia(fb.call(), media);
    const chunks: Buffer[] = [];
    for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk);
    return { bytes: Buffer.concat(chunks), contentType };
  };

  it('is fetched by its link, without the token', async () => {
    const [media] = await written([picture]);
    const asked = fb.meta.requests.length;
    expect(await fetched(media!)).toEqual({ bytes: picture.bytes, contentType: 'image/png' });
    const requests = fb.meta.requests.slice(asked);
    expect(requests).toHaveLength(1);
    expect(JSON.stringify(requests)).not.toContain(fb.page.token.value);
  });

  it('is fetched by a fresh link where its own has ended', async () => {
    const files = [picture, { ...picture, kind: 'document', contentType: 'text/csv' } as const];
    const media = await written(files);
    fb.meta.world.advance(fb.meta.world.media.linkMs + 1);
    expect((await fetched(media[0]!)).contentType).toBe('image/png');
    expect((await fetched(media[1]!)).contentType).toMatch(/^text\/csv/);
  });

  it('is gone where Facebook gives no link any more', async () => {
    const [media] = await written([picture]);
    fb.meta.world.advance(fb.meta.world.media.linkMs + 1);
    fb.page.files.clear();
    await expect(fetched(media!)).rejects.toMatchObject({
      class: 'give_up',
      code: 'messenger.file_gone',
    });
  });

  it('is tried again where only the line fails', async () => {
    const [media] = await written([picture]);
    fb.meta.faults.failNext({ kind: 'reset' });
    await expect(fetched(media!)).rejects.toMatchObject({ class: 'retry' });
    fb.meta.faults.failNext({ kind: 'unavailable' });
    await expect(fetched(media!)).rejects.toMatchObject({ class: 'retry' });
    expect((await fetched(media!)).bytes).toEqual(picture.bytes);
  });
});
