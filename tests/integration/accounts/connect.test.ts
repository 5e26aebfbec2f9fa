import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import express from 'express';
import { z } from 'zod';
import { answerErrors } from '../../../api/middleware/errors.ts';
import { giveRequestId } from '../../../api/middleware/request-id.ts';
import { connectLink } from '../../../api/oauth/connect.ts';
import { mountOauth } from '../../../api/oauth/mount.ts';
import { StoredTokens } from '../../../db/account-tokens.ts';
import { inTenant } from '../../../db/connection.ts';
import { wantState } from '../../../db/queries/channel-changes.ts';
import { findChannel } from '../../../db/queries/channels.ts';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { ChannelId } from '../../../domain/ids.ts';
import type { ChannelProvider } from '../../../providers/contract.ts';
import {
  request,
  startTestApi,
  type ApiAnswer,
  type Client,
  type TestApi,
} from '../api-fixture.ts';
import { seedChannel } from '../../workflow/channel-seed.ts';

const Settings = z.object({ client_id: z.string().optional() });
type Settings = z.infer<typeof Settings>;

/** A vendor's consent and token ends, as far as the core has to do with them (RFC 6749, RFC 7636). */
const vendor = {
  account: 'support@example.com',
  refreshToken: 'refresh-1' as string | undefined,
  exchanged: [] as { code: string; redirectUri: string }[],
  challenges: new Map<string, string>(),
  /** The person says yes: the vendor leads back. */
  consent(authorizeUrl: string): URL {
    const asked = new URL(authorizeUrl);
    const code = `code-${vendor.challenges.size}`;
    vendor.challenges.set(code, asked.searchParams.get('code_challenge')!);
    const back = new URL(asked.searchParams.get('redirect_uri')!);
    back.search = new URLSearchParams({ code, state: asked.searchParams.get('state')! }).toString();
    return back;
  },
};

const provider: ChannelProvider<Settings> = {
  manifest: {
    name: 'vendor',
    title: 'Vendor',
    aliases: ['formerly'],
    settings: Settings,
    secrets: [],
    accountOf: (_settings, address) => address,
    source: 'mime',
  },
  consent: {
    authorizationUrl(settings, { redirectUri, state, codeChallenge }) {
      if (!settings.client_id)
        throw new ProviderFailure({
          code: 'vendor.no_client',
          class: 'give_up',
          message: 'No OAuth client is set.',
        });
      const parameters = { redirect_uri: redirectUri, state, code_challenge: codeChallenge };
      return `https://vendor.test/consent?${new URLSearchParams(parameters).toString()}`;
    },
    exchange(_call, { code, codeVerifier, redirectUri }) {
      const challenge = createHash('sha256').update(codeVerifier).digest('base64url');
      if (vendor.challenges.get(code) !== challenge)
        throw new ProviderFailure({
          code: 'vendor.bad_code',
          class: 'give_up',
          message: 'The vendor does not know this code <b>.',
        });
      vendor.exchanged.push({ code, redirectUri });
      return Promise.resolve({
        accessToken: 'access-1',
        refreshToken: vendor.refreshToken,
        expiresAt: new Date(Date.now() + 3_600_000),
        address: vendor.account,
        scopes: [],
      });
    },
  },
};

let api: TestApi;
let server: Server;
let origin: string;
let client: Client;

beforeAll(async () => {
  const app = express();
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  origin = `http://127.0.0.1:${address.port}`;
  api = await startTestApi({ POSTROOM_PUBLIC_URL: origin });
  client = await api.client('ada');
  app.use(giveRequestId);
  const registered = provider as unknown as ChannelProvider; // as registry.ts registers its own
  mountOauth(app, api.deps, (name) =>
    ['vendor', 'formerly'].includes(name) ? registered : undefined,
  );
  app.use(answerErrors(api.deps.log));
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await api.close();
});
beforeEach(() => {
  vendor.account = 'support@example.com';
  vendor.refreshToken = 'refresh-1';
  vendor.exchanged = [];
  api.relay.flushed.splice(0);
});

async function newChannel(
  options: { address?: string; settings?: Record<string, unknown> } = {},
): Promise<ChannelId> {
  const { id } = await seedChannel(api.db, client.tenantId, {
    provider: 'vendor',
    name: 'Support & more',
    address: options.address ?? null,
    settings: options.settings ?? { client_id: 'app' },
    state: 'needs_attention',
    detail: 'The consent was withdrawn.',
  });
  return id;
}

const linkOf = async (id: ChannelId) =>
  (await connectLink(api.deps, { tenantId: client.tenantId, id, provider: 'vendor' })).url;

const get = (url: string | URL, cookie?: string): Promise<ApiAnswer> =>
  request(String(url), 'GET', undefined, cookie ? { cookie } : {});

const cookieOf = ({ headers }: ApiAnswer) => headers.get('set-cookie')!.split(';')[0]!;

/** Opens a link and consents; what the vendor leads back to, and the browser's cookie. */
async function begun(id: ChannelId): Promise<{ back: URL; cookie: string }> {
  const led = await get(await linkOf(id));
  expect(led.status).toBe(302);
  return { back: vendor.consent(led.headers.get('location')!), cookie: cookieOf(led) };
}

const channelOf = (id: ChannelId) => findChannel(api.db, client.tenantId, id);

test('a consent gives the channel tokens, an address and an account, and starts it', async () => {
  const id = await newChannel();
  const { back, cookie } = await begun(id);
  const answer = await get(back, cookie);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'text/html; charset=utf-8',
  ]);
  expect(answer.text).toMatch(/Support &#38; more.*reads support@example\.com now/);
  expect(await channelOf(id)).toMatchObject({
    address: 'support@example.com',
    account: 'support@example.com',
    desired_state: 'running',
    state: 'connecting',
  });
  const { signal } = new AbortController();
  const tokens = new StoredTokens({ ...api, signal }, { tenantId: client.tenantId, id });
  const never = () => Promise.reject(new Error('no token is to be obtained'));
  expect(await tokens.access(never)).toBe('access-1');
  const told = api.relay.flushed.flatMap((work) => [...work.channels]);
  expect(told).toEqual([[id, expect.objectContaining({ changed: true })]]);
});

test('the link leads the browser on with a cookie that no script and no other site gets', async () => {
  const led = await get(await linkOf(await newChannel()));
  const cookie = led.headers.get('set-cookie')!;
  expect(cookie).toMatch(/^postroom_connect=[\w-]{43}; /);
  for (const part of ['HttpOnly', 'SameSite=Lax', 'Path=/oauth']) expect(cookie).toContain(part);
  const asked = new URL(led.headers.get('location')!).searchParams;
  expect(asked.get('redirect_uri')).toBe(`${origin}/oauth/vendor/callback`);
  expect(asked.get('code_challenge')).toMatch(/^[\w-]{43}$/);
});

test('a link works once, and so does a state', async () => {
  const id = await newChannel();
  const link = await linkOf(id);
  const led = await get(link);
  expect((await get(link)).status).toBe(410);
  const back = vendor.consent(led.headers.get('location')!);
  expect((await get(back, cookieOf(led))).status).toBe(200);
  const again = await get(back, cookieOf(led));
  expect([again.status, again.text]).toEqual([410, expect.stringContaining('used already')]);
  expect(vendor.exchanged).toHaveLength(1);
});

test('a state brought by another browser, or made up, is refused before anything is asked of the vendor', async () => {
  const id = await newChannel();
  const { back, cookie } = await begun(id);
  expect((await get(back)).status).toBe(403);
  const stranger = cookieOf(await get(await linkOf(id)));
  expect((await get(back, stranger)).status).toBe(410);
  const forged = new URL(back);
  forged.searchParams.set('state', 'x'.repeat(43));
  expect((await get(forged, cookie)).status).toBe(410);
  expect(vendor.exchanged).toEqual([]);
  // Its own browser still may.
  expect((await get(back, cookie)).status).toBe(200);
});

test('two consents begun in one browser both end well', async () => {
  const [one, other] = [await newChannel(), await newChannel()];
  const first = await get(await linkOf(one));
  const second = await get(await linkOf(other), cookieOf(first));
  for (const led of [first, second]) {
    const back = vendor.consent(led.headers.get('location')!);
    expect((await get(back, cookieOf(second))).status).toBe(200);
  }
});

test('a refusal at the vendor is told in plain words, escaped', async () => {
  const { back, cookie } = await begun(await newChannel());
  back.searchParams.delete('code');
  back.searchParams.set('error', 'access_denied');
  back.searchParams.set('error_description', '<script>alert(1)</script>');
  const { status, text } = await get(back, cookie);
  expect([status, text]).toEqual([400, expect.stringContaining('The consent was refused')]);
  expect(text).not.toContain('<script>');
});

test('a code that the vendor does not take leaves the channel as it was', async () => {
  const id = await newChannel();
  const { back, cookie } = await begun(id);
  back.searchParams.set('code', 'stolen');
  const { status, text } = await get(back, cookie);
  expect([status, text]).toEqual([
    502,
    expect.stringContaining('does not know this code &#60;b&#62;'),
  ]);
  expect(await channelOf(id)).toMatchObject({ state: 'needs_attention', address: null });
});

test('a channel that is connected is connected anew by the same account alone, and keeps its cursor', async () => {
  const id = await newChannel();
  const first = await begun(id);
  await get(first.back, first.cookie);
  await inTenant(api.db, client.tenantId, (tx) =>
    tx
      .insertInto('channel_cursors')
      .values({ channel_id: id, tenant_id: client.tenantId, folder: '', cursor: '{"at":7}' })
      .execute(),
  );
  await wantState(api.db, client.tenantId, id, 'stopped');
  vendor.account = 'other@example.com';
  const second = await begun(id);
  const refused = await get(second.back, second.cookie);
  expect([refused.status, refused.text]).toEqual([
    409,
    expect.stringMatching(/reads support@example\.com, and the consent is for other@example\.com/),
  ]);
  expect(await channelOf(id)).toMatchObject({ desired_state: 'stopped' });
  vendor.account = 'Support@Example.com';
  const third = await begun(id);
  expect((await get(third.back, third.cookie)).status).toBe(200);
  expect(await channelOf(id)).toMatchObject({ desired_state: 'running', state: 'connecting' });
  const cursors = await inTenant(api.db, client.tenantId, (tx) =>
    tx.selectFrom('channel_cursors').select('cursor').where('channel_id', '=', id).execute(),
  );
  expect(cursors).toEqual([{ cursor: { at: 7 } }]);
});

test('a consent without lasting permission says that it will be asked for again', async () => {
  vendor.refreshToken = undefined;
  const { back, cookie } = await begun(await newChannel());
  expect((await get(back, cookie)).text).toMatch(/no lasting permission/);
});

test('what can’t be connected yet says why', async () => {
  const id = await newChannel({ settings: {} });
  const { status, text } = await get(await linkOf(id));
  expect([status, text]).toEqual([422, expect.stringContaining('No OAuth client is set.')]);
});

test('with a key a channel is connected by its id, under a vendor’s former name too', async () => {
  const id = await newChannel();
  const url = `${origin}/oauth/formerly/connect?channel=${id}`;
  const authorization = { authorization: `Bearer ${client.key}` };
  const led = await request(url, 'GET', undefined, authorization);
  expect(led.status).toBe(302);
  const back = vendor.consent(led.headers.get('location')!);
  expect(back.pathname).toBe('/oauth/formerly/callback');
  expect((await get(back, cookieOf(led))).status).toBe(200);
  expect(vendor.exchanged[0]!.redirectUri).toBe(`${origin}/oauth/formerly/callback`);
  expect((await get(url)).status).toBe(401);
  const reader = await api.client('ada', ['channels:read']);
  const forbidden = await request(url, 'GET', undefined, { authorization: `Bearer ${reader.key}` });
  expect(forbidden.status).toBe(403);
  const stranger = await api.client('bob');
  const foreign = await request(url, 'GET', undefined, { authorization: `Bearer ${stranger.key}` });
  expect(foreign.status).toBe(404);
});

test('a channel whose provider has no consent page says what to do instead', async () => {
  const { body: channel } = await client.call('POST', '/v1/channels', {
    provider: 'mime',
    name: 'Pipe',
  });
  const { status, body } = await client.call('POST', `/v1/channels/${channel.id}/connect`);
  expect([status, body.detail]).toEqual([409, expect.stringContaining('no consent page')]);
});

test('nothing of a consent is in the log', () => {
  expect(api.logLines.join('\n')).not.toMatch(/code-\d|access-1|refresh-1/);
});
