import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sweepContactLinks } from '../../../db/queries/contact-links.ts';
import { newId, type ChannelId, type ContactId } from '../../../domain/ids.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { linkToken } from '../../../api/link/token.ts';
import { readContactLink } from '../../../db/queries/contact-links.ts';
import { request, startTestApi, type Client, type TestApi } from '../api-fixture.ts';
import { scene, type Scene } from './scene.ts';

const NUMBER = '+4915112345678';

let api: TestApi;
let client: Client;
let rows: Scene;
let chat: ChannelId;
let byMail: ContactId;
let byChat: ContactId;

beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());
beforeEach(async () => {
  client = await api.client(newId('tenant'));
  rows = scene(api.db, client.tenantId);
  chat = await rows.channel('whatsapp', 'chat');
  byMail = await rows.contact('Ada', 'ada@example.com');
  byChat = await rows.contact(null, NUMBER);
  await rows.ticket(chat, 'whatsapp', byChat);
});

const asked = (body: object = { address: '+49 151 12345678' }, by = client) =>
  by.call('POST', `/v1/contacts/${byMail}/link-requests`, body);

/** The path of a new link. */
async function link(): Promise<string> {
  const { body } = await asked();
  return new URL(body.url).pathname;
}

const open = (path: string, headers: Record<string, string> = {}) =>
  request(api.url + path, 'GET', undefined, headers);

interface Shown {
  readonly cookie: string;
  readonly proof: string;
}

function shownBy({ headers, text }: { headers: Headers; text: string }): Shown {
  return {
    cookie: headers.get('set-cookie')!.split(';')[0]!,
    proof: /name="proof" value="([\w-]+)"/.exec(text)![1]!,
  };
}

const press = (path: string, { cookie, proof }: Shown, more: Record<string, string> = {}) =>
  request(api.url + path, 'POST', `proof=${proof}`, {
    'content-type': 'application/x-www-form-urlencoded',
    cookie,
    ...more,
  });

const current = async () => (await client.call('GET', `/v1/contacts/${byChat}`)).body.id;

describe('a link by which a person says that an address is theirs', () => {
  it('makes the contacts one when its button is pressed, with the link in the audit trail', async () => {
    const { status, body } = await asked();
    expect([status, body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^lnk_/),
        url: expect.stringContaining('/link/'),
        contact_id: byMail,
        other_contact_id: byChat,
        address: NUMBER,
        expires_at: expect.any(String),
      },
    ]);
    const path = new URL(body.url).pathname;
    const page = await open(path);
    expect(page.status).toBe(200);
    expect(page.text).toContain('+49 ••• 678');
    expect(page.text).toContain('a•••@example.com');
    expect(page.text).not.toContain('ada@example.com');
    expect((await press(path, shownBy(page))).status).toBe(200);
    expect(await current()).toBe(byMail);
    const audit = await rows.inDb((tx) => tx.selectFrom('audit').selectAll().execute());
    expect(audit.filter(({ action }) => action === 'contact.merged')).toMatchObject([
      { ticket_id: null, actor: { type: 'contact', id: byChat } },
      { actor: { type: 'contact', id: byChat }, reason: expect.stringContaining(body.id) },
    ]);
  });

  it('changes nothing by being opened, however often and by whatever program', async () => {
    const path = await link();
    for (let times = 0; times < 3; times += 1) expect((await open(path)).status).toBe(200);
    expect((await request(api.url + path, 'HEAD')).status).toBe(200);
    expect(await current()).toBe(byChat);
    const page = await open(path);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.headers.get('content-security-policy')).toMatch(
      /form-action 'self'.*frame-ancestors/,
    );
    expect(page.headers.get('set-cookie')).toMatch(/HttpOnly.*SameSite=Lax/i);
    expect((await press(path, shownBy(page))).status).toBe(200);
  });

  it('works once, also of many presses at the same time', async () => {
    const path = await link();
    const shown = shownBy(await open(path));
    const pressed = await Promise.all([1, 2, 3, 4].map(() => press(path, shown)));
    expect(pressed.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 410, 410, 410,
    ]);
    expect((await press(path, shown)).status).toBe(410);
    expect((await open(path)).status).toBe(410);
  });

  it('is confirmed only by its own page in the browser that was shown it', async () => {
    const path = await link();
    const shown = shownBy(await open(path));
    const elsewhere = shownBy(await open(await link()));
    const foreign: [Shown, Record<string, string>?][] = [
      [{ ...shown, cookie: '' }],
      [{ ...shown, proof: '' }],
      [{ ...shown, cookie: elsewhere.cookie }],
      [elsewhere],
      [shown, { 'sec-fetch-site': 'cross-site' }],
    ];
    for (const [by, headers] of foreign) expect((await press(path, by, headers)).status).toBe(403);
    expect(await current()).toBe(byChat);
    expect((await press(path, shown, { 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  });

  it('is known only as it was signed: for this tenant, these contacts, this address', async () => {
    const { body } = await asked();
    const path = new URL(body.url).pathname;
    const [id, tenant, signature] = path.slice('/link/'.length).split('.') as [
      string,
      string,
      string,
    ];
    const other = (await asked()).body.id.slice(4);
    const stranger = (await api.client(newId('tenant'))).tenantId.slice(4);
    const changed = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    const stored = (await readContactLink(api.db, client.tenantId, body.id))!;
    const strangers = { keys: KeyRing.parse(KeyRing.generate()) };
    for (const token of [
      `${other}.${tenant}.${signature}`,
      `${id}.${stranger}.${signature}`,
      `${id}.${tenant}.${changed}`,
      `${id}.${tenant}`,
      linkToken(strangers, stored),
      linkToken(api, { ...stored, otherId: byMail }),
      linkToken(api, { ...stored, expiresAt: new Date(stored.expiresAt.getTime() + 1) }),
      'nonsense',
    ])
      expect((await open(`/link/${token}`)).status).toBe(404);
    expect((await open(`/link/${linkToken(api, stored)}`)).status).toBe(200);
  });

  it('ends in time, and is swept away a day later', async () => {
    const path = await link();
    const shown = shownBy(await open(path));
    const { body } = await asked({ address: NUMBER, valid_minutes: 5 });
    const minutes = (Date.parse(body.expires_at) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(4);
    expect(minutes).toBeLessThan(6);
    const late = shownBy(await open(new URL(body.url).pathname));
    // Time passes: what is stored is moved back, and signed as it is then.
    const age = (by: number) =>
      rows.inDb((tx) =>
        tx
          .updateTable('contact_links')
          .set({ expires_at: new Date(Date.now() - by) })
          .execute(),
      );
    await age(1000);
    const stored = (await readContactLink(api.db, client.tenantId, body.id))!;
    const ended = `/link/${linkToken(api, stored)}`;
    expect((await open(ended)).status).toBe(410);
    expect((await press(ended, late)).status).toBe(410);
    expect((await press(path, shown)).status).toBe(404);
    expect(await current()).toBe(byChat);
    await sweepContactLinks(api.db, client.tenantId);
    expect(await readContactLink(api.db, client.tenantId, body.id)).not.toBeNull();
    await age(25 * 3_600_000);
    await sweepContactLinks(api.db, client.tenantId);
    expect(await readContactLink(api.db, client.tenantId, body.id)).toBeNull();
  });

  it('proves nothing once the address has become somebody else’s', async () => {
    const path = await link();
    const shown = shownBy(await open(path));
    const third = await rows.contact('Byron', 'byron@example.com');
    await client.call('PATCH', `/v1/contacts/${byChat}`, { addresses: [] });
    await client.call('PATCH', `/v1/contacts/${third}`, { addresses: [NUMBER] });
    expect((await press(path, shown)).status).toBe(410);
    expect(await current()).toBe(byChat);
    expect((await client.call('GET', `/v1/contacts/${third}`)).body.id).toBe(third);
  });

  it('is refused for an address that nobody has, or that is theirs already, and by other tenants', async () => {
    const unknown = await asked({ address: '+49 30 901820' });
    expect([unknown.status, unknown.body.errors[0].pointer]).toEqual([422, '/address']);
    expect((await asked({ address: 'nobody at all' })).body.errors[0].pointer).toBe('/address');
    expect((await asked({ address: 'ADA@example.com' })).status).toBe(409);
    const shown = await asked({ address: NUMBER, shown_address: 'else@example.com' });
    expect([shown.status, shown.body.errors[0].pointer]).toEqual([422, '/shown_address']);
    expect((await asked(undefined, await api.client(newId('tenant')))).status).toBe(404);
  });

  it('leaves no trace of itself in the log', async () => {
    const path = await link();
    await open(path);
    const lines = api.logLines.join('');
    expect(lines).toContain('/link/{token}');
    expect(lines).not.toContain(path.slice('/link/'.length));
  });
});
