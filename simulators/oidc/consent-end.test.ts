import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, importSPKI, jwtVerify } from 'jose';
import type { Simulator } from '../contract.ts';
import { createSimulatorServer } from '../server.ts';
import { consentAsBrowser } from './browser.ts';
import { createConsentEnd, type ConsentEnd, type ConsentEndOptions } from './consent-end.ts';

const REDIRECT = 'http://127.0.0.1:9/oauth/google/callback';
const READ = {
  google: 'https://www.googleapis.com/auth/gmail.readonly',
  microsoft: 'https://graph.microsoft.com/Mail.Read',
};
const ACCOUNTS = [{ address: 'ada@example.test' }, { address: 'bob@example.test' }];

let simulator: Simulator;
let end: ConsentEnd;
afterEach(() => simulator.close());

async function start(options: ConsentEndOptions) {
  end = await createConsentEnd({ accounts: ACCOUNTS, ...options });
  simulator = await createSimulatorServer({
    name: options.vendor,
    unparsed: end.handler,
    routes: (api) =>
      void api.post('/own', (_request, response) => void response.json({ own: true })),
  });
}

/** Microsoft's paths begin with a tenant. */
const path = (of: 'authorization' | 'token' | 'jwks') =>
  simulator.url + (simulator.name === 'microsoft' ? '/common' : '') + end.paths[of];

interface Tokens {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly id_token: string;
  readonly expires_in: number;
  readonly scope: string;
}

async function token(form: Record<string, string>): Promise<{ status: number } & Tokens> {
  const answer = await fetch(path('token'), {
    method: 'POST',
    body: new URLSearchParams({
      client_id: end.clientId,
      client_secret: end.clientSecret,
      ...form,
    }),
  });
  return { status: answer.status, ...((await answer.json()) as Tokens) };
}
const refreshed = (refreshToken: string) =>
  token({ grant_type: 'refresh_token', refresh_token: refreshToken });

const verifier = randomBytes(32).toString('base64url');
const challenge = createHash('sha256').update(verifier).digest('base64url');

function consent(asked: Record<string, string> = {}) {
  const vendor = simulator.name as 'google' | 'microsoft';
  const offline = vendor === 'google' ? {} : { scope: `${READ.microsoft} offline_access email` };
  const query = new URLSearchParams({
    client_id: end.clientId,
    response_type: 'code',
    redirect_uri: REDIRECT,
    state: 'ours',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    login_hint: 'ada@example.test',
    scope: `openid email ${READ[vendor]}`,
    access_type: 'offline',
    ...offline,
    ...asked,
  });
  for (const [name, value] of Object.entries(asked)) if (value === '') query.delete(name);
  return consentAsBrowser(`${path('authorization')}?${query.toString()}`, REDIRECT);
}

async function connect(asked: Record<string, string> = {}) {
  const back = await consent(asked);
  expect(back.searchParams.get('state')).toBe('ours');
  return token({
    grant_type: 'authorization_code',
    code: back.searchParams.get('code')!,
    redirect_uri: REDIRECT,
    code_verifier: verifier,
  });
}

describe.each(['google', 'microsoft'] as const)('%s’s consent', (vendor) => {
  it('brings tokens of the account that was hinted at, its keys verify them, and the rest is served beside it', async () => {
    await start({ vendor });
    const tokens = await connect();
    expect(tokens).toMatchObject({
      status: 200,
      expires_in: 3600,
      refresh_token: expect.any(String),
    });
    expect(await end.bearer(tokens.access_token)).toMatchObject({
      address: 'ada@example.test',
      scopes: expect.arrayContaining([READ[vendor]]),
    });
    const { payload } = await jwtVerify(tokens.id_token, createRemoteJWKSet(new URL(path('jwks'))));
    expect(payload).toMatchObject({ email: 'ada@example.test', aud: end.clientId });
    const own = await fetch(`${simulator.url}/own`, { method: 'POST', body: 'x' });
    expect(await own.json()).toEqual({ own: true });
  });

  it('connects several accounts one after the other', async () => {
    await start({ vendor });
    const [ada, bob] = [await connect(), await connect({ login_hint: 'bob@example.test' })];
    expect((await end.bearer(ada.access_token))?.address).toBe('ada@example.test');
    expect((await end.bearer(bob.access_token))?.address).toBe('bob@example.test');
    await end.revoke('ada@example.test');
    expect(await end.bearer(ada.access_token)).toBeNull();
    expect(await refreshed(ada.refresh_token!)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    });
    expect((await refreshed(bob.refresh_token!)).status).toBe(200);
  });

  it('wants PKCE, takes a code once, and brings a refusal back', async () => {
    await start({ vendor });
    end.addAccount({ address: 'no@example.test', denies: true });
    const refused = async (asked: Record<string, string>) =>
      (await consent(asked)).searchParams.get('error');
    expect(await refused({ login_hint: 'no@example.test' })).toBe('access_denied');
    expect(await refused({ code_challenge: '', code_challenge_method: '' })).toBe(
      'invalid_request',
    );
    const code = (await consent()).searchParams.get('code')!;
    const traded = (codeVerifier: string) =>
      token({
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT,
        code_verifier: codeVerifier,
      });
    expect((await traded('x'.repeat(43))).status).toBe(400);
    expect((await traded(verifier)).status).toBe(200);
    expect((await traded(verifier)).status).toBe(400);
  });

  it('rotates refresh tokens where it is told to, and counts token calls', async () => {
    await start({ vendor, rotate: true, accessTokenSeconds: 120 });
    const first = await end.grant('eve@example.test');
    const second = await refreshed(first);
    expect(second).toMatchObject({ status: 200, expires_in: 120 });
    expect(second.refresh_token).not.toBe(first);
    expect((await refreshed(first)).status).toBe(400);
    expect(end.calls).toEqual({
      authorization_code: 0,
      refresh_token: 1,
      client_credentials: 0,
      refused: 1,
    });
  });

  it('keeps a refresh token where it is not, and access tokens end when told', async () => {
    await start({ vendor, rotate: false });
    const kept = await end.grant('eve@example.test');
    const { access_token, refresh_token } = await refreshed(kept);
    expect(refresh_token).toBe(kept);
    expect((await end.bearer(access_token))?.address).toBe('eve@example.test');
    end.expireAccessTokens();
    expect(await end.bearer(access_token)).toBeNull();
    const renewed = await refreshed(kept);
    expect(await end.bearer(renewed.access_token)).not.toBeNull();
  });
});

describe('Google’s', () => {
  it('gives a refresh token for offline access alone, and no right that was left unticked', async () => {
    await start({ vendor: 'google' });
    expect((await connect({ access_type: '' })).refresh_token).toBeUndefined();
    const send = 'https://www.googleapis.com/auth/gmail.send';
    end.addAccount({ address: 'shy@example.test', withholds: [send] });
    const scope = `openid email ${READ.google} ${send}`;
    const { scope: given } = await connect({ login_hint: 'shy@example.test', scope });
    expect(given.split(' ')).toContain(READ.google);
    expect(given.split(' ')).not.toContain(send);
  });

  it('signs push tokens that its keys verify, by JWK and by PEM, and revokes by token', async () => {
    await start({ vendor: 'google' });
    const push = await end.signPushToken({
      aud: 'https://x.test/ingress',
      email: 'push@example.test',
    });
    const keys = createRemoteJWKSet(new URL(path('jwks')));
    const issuer = 'https://accounts.google.com';
    await expect(
      jwtVerify(push, keys, { issuer, audience: 'https://x.test/ingress' }),
    ).resolves.toBeDefined();
    const [pem] = Object.values(
      (await (await fetch(`${simulator.url}/oauth2/v1/certs`)).json()) as Record<string, string>,
    );
    expect(createPublicKey(pem!).asymmetricKeyType).toBe('rsa');
    await jwtVerify(push, await importSPKI(pem!, 'RS256'));
    const token = await end.grant('ada@example.test');
    const revoke = () => fetch(`${simulator.url}/revoke?token=${token}`, { method: 'POST' });
    expect([(await revoke()).status, (await revoke()).status]).toEqual([200, 400]);
    expect((await refreshed(token)).status).toBe(400);
  });
});

describe('Microsoft’s', () => {
  it('gives an app its own token, and gives no refresh token without offline_access', async () => {
    await start({ vendor: 'microsoft' });
    const scope = 'https://graph.microsoft.com/.default';
    const app = await token({ grant_type: 'client_credentials', scope });
    expect(await end.bearer(app.access_token)).toEqual({ address: null, scopes: [scope] });
    expect(
      (await token({ grant_type: 'client_credentials', scope, client_secret: 'x' })).status,
    ).toBe(401);
    const tokens = await connect({ scope: `openid profile ${READ.microsoft}` });
    expect(tokens.refresh_token).toBeUndefined();
    expect(decodeJwt(tokens.id_token)).toMatchObject({ preferred_username: 'ada@example.test' });
    const discovery = await fetch(`${simulator.url}/common/v2.0/.well-known/openid-configuration`);
    expect(await discovery.json()).toMatchObject({
      token_endpoint: expect.stringContaining('/token'),
    });
  });
});
