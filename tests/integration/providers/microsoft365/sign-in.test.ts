import { createHash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { AccountTokens } from '../../../../providers/contract.ts';
import { Microsoft365Settings } from '../../../../providers/microsoft365/manifest.ts';
import { microsoft365 } from '../../../../providers/microsoft365/provider.ts';
import { consentAsBrowser } from '../../../../simulators/oidc/browser.ts';
import { createGuardedNetwork } from '../../../../security/ssrf-guard.ts';
import { providerCall } from '../call.ts';
import { asked, drain, graphFixture, type Fixture } from './fixture.ts';

jest.setTimeout(240_000);
let given: Fixture;
beforeEach(async () => {
  given = await graphFixture();
  given.deliver(1, 2);
});
afterEach(async () => {
  expect(given.simulator.violations).toEqual([]);
  await given.simulator.close();
});

const settings = (of: object) => Microsoft365Settings.parse({ import_since: '2020-01-01', ...of });

/** Tokens as the core keeps them, within this process. */
function keptTokens(
  refreshToken: string | null = null,
): AccountTokens & { refreshToken: string | null } {
  let current: { accessToken: string; expiresAt: Date } | null = null;
  return {
    refreshToken,
    async access(obtain) {
      if (current && current.expiresAt.getTime() > Date.now() + 60_000) return current.accessToken;
      const { refreshToken: next, ...obtained } = await obtain({ refreshToken: this.refreshToken });
      this.refreshToken = next ?? this.refreshToken;
      current = obtained;
      return obtained.accessToken;
    },
    refuse(token) {
      if (current?.accessToken === token) current = null;
      return Promise.resolve();
    },
  };
}

describe('the application’s own credentials', () => {
  it('read a mailbox by /users/{id}, with one token for many calls', async () => {
    const tokens = keptTokens();
    for (let look = 0; look < 3; look += 1) await drain(given.call({}, { tokens }));
    expect(given.simulator.consent.calls).toMatchObject({ client_credentials: 1 });
    expect(asked(given.simulator, /\/me\//)).toEqual([]);
  });

  it('are asked for another token where Graph refuses one before its end', async () => {
    const tokens = keptTokens();
    await drain(given.call({}, { tokens }));
    given.simulator.consent.expireAccessTokens();
    expect((await drain(given.call({}, { tokens }))).ids).toHaveLength(2);
    expect(given.simulator.consent.calls).toMatchObject({ client_credentials: 2 });
  });

  it('are refused in the end where every token is', async () => {
    given.simulator.faults.failNext({ kind: 'token_revoked', match: /v1\.0/ }, 10);
    await expect(drain(given.call())).rejects.toMatchObject({
      code: 'microsoft365.token_refused',
      class: 'reauthenticate',
      status: 401,
    });
  });

  it.each([
    [{ client_secret: 'wrong' }, 'client_secret_refused', '/settings/client_secret'],
    [{ client_id: 'nobody' }, 'client_secret_refused', '/settings/client_secret'],
    [{ mailbox: 'nobody@example.test' }, 'mailbox_missing', '/settings/mailbox'],
    [{ folder: 'Nirgends' }, 'folder_missing', '/settings/folder'],
  ])('with %o say what is wrong, in a trial and in a sync', async (wrong, code, pointer) => {
    const report = await microsoft365.validate!(given.call(wrong));
    expect(report.problems).toMatchObject([{ pointer }]);
    expect(JSON.stringify(report)).not.toMatch(/nobody@|wrong/);
    const [folder] = microsoft365.mailbox!.folders(given.call(wrong).settings);
    await expect(drain(given.call(wrong), null, folder)).rejects.toMatchObject({
      code: `microsoft365.${code}`,
    });
  });
});

describe('validation', () => {
  const report = () => microsoft365.validate!(given.call());

  it('finds every permission granted by requests that change nothing', async () => {
    const before = given.box.changes.length;
    expect(await report()).toEqual({ ok: true, problems: [], warnings: [] });
    expect(given.box.changes).toHaveLength(before);
    expect(given.simulator.sent()).toEqual([]);
  });

  it.each(['Mail.Read', 'Mail.ReadWrite', 'Mail.Send'])('is failed without %s', async (missing) => {
    given.simulator.permissions.delete(missing);
    if (missing === 'Mail.Read') given.simulator.permissions.delete('Mail.ReadWrite');
    const { ok, problems } = await report();
    expect(ok).toBe(false);
    expect(problems[0]).toMatchObject({ step: 'permission', detail: expect.stringContaining(missing) }); // prettier-ignore
  });

  it.each(['Chat.Create', 'ChatMember.ReadWrite', 'User.Read.All'])(
    'warns without %s, which mail works without',
    async (missing) => {
      given.simulator.permissions.delete(missing);
      expect(await report()).toMatchObject({
        ok: true,
        warnings: [expect.stringContaining(missing)],
      });
    },
  );

  it('takes the .All form of a permission', async () => {
    given.simulator.permissions.delete('ChatMember.ReadWrite');
    given.simulator.permissions.add('ChatMember.ReadWrite.All');
    expect(await report()).toMatchObject({ ok: true, warnings: [] });
  });

  it('reaches no private host that was not allowed', async () => {
    const network = createGuardedNetwork({ allow: [] });
    const { problems } = await microsoft365.validate!(given.call({}, { network }));
    expect(problems).toMatchObject([{ step: 'host', pointer: '/settings/base_url' }]);
    await network.close();
  });
});

describe('a connected account', () => {
  beforeEach(() => given.simulator.consent.addAccount({ address: given.address }));

  const redirectUri = 'http://127.0.0.1:9/oauth/outlook/callback';

  async function connect(address: string) {
    const { mailbox: _mailbox, ...app } = given.simulator.application(address);
    const codeVerifier = randomBytes(32).toString('base64url');
    const parsed = settings(app);
    const url = microsoft365.consent!.authorizationUrl(parsed, {
      redirectUri,
      state: 'state-1',
      codeChallenge: createHash('sha256').update(codeVerifier).digest('base64url'),
      address,
    });
    const back = await consentAsBrowser(url, redirectUri);
    expect(back.searchParams.get('state')).toBe('state-1');
    const code = back.searchParams.get('code')!;
    const exchanged = await microsoft365.consent!.exchange(providerCall(parsed), {
      code,
      codeVerifier,
      redirectUri,
    });
    return { app, url: new URL(url), exchanged };
  }

  it('consents with PKCE to the least that does, and is read by /me', async () => {
    const { app, url, exchanged } = await connect(given.address);
    expect(url.searchParams.get('scope')!.split(' ')).toEqual([
      'openid',
      'profile',
      'offline_access',
      'https://graph.microsoft.com/Mail.ReadWrite',
      'https://graph.microsoft.com/Mail.Send',
    ]);
    expect(url.searchParams.get('code_challenge_method')).toBe('S256');
    expect(exchanged).toMatchObject({ address: given.address, refreshToken: expect.any(String) });
    expect(exchanged.expiresAt.getTime()).toBeGreaterThan(Date.now() + 3_000_000);

    const tokens = keptTokens(exchanged.refreshToken);
    const call = providerCall(settings(app), { tokens });
    expect((await drain(call)).ids).toHaveLength(2);
    expect(asked(given.simulator, /\/users\//)).toEqual([]);
    expect(given.simulator.consent.calls).toMatchObject({
      authorization_code: 1,
      refresh_token: 1,
    });
    // The vendor gave another refresh token in place of the last.
    expect(tokens.refreshToken).not.toBe(exchanged.refreshToken);
    given.simulator.consent.expireAccessTokens();
    expect((await drain(call)).ids).toHaveLength(2);
  });

  it('a code is worth nothing without its proof', async () => {
    const { mailbox: _mailbox, ...app } = given.simulator.application(given.address);
    const exchanging = microsoft365.consent!.exchange(providerCall(settings(app)), {
      code: 'stolen',
      codeVerifier: 'x'.repeat(43),
      redirectUri,
    });
    await expect(exchanging).rejects.toMatchObject({
      code: 'microsoft365.consent_ended',
      class: 'reauthenticate',
    });
  });

  it('mail-edge-case 42: a consent taken back stops it with a clear word; connected again, it goes on where it was', async () => {
    const { app, exchanged } = await connect(given.address);
    const call = (refreshToken: string | undefined) =>
      providerCall(settings(app), { tokens: keptTokens(refreshToken ?? null) });
    const { cursor } = await drain(call(exchanged.refreshToken));
    await given.simulator.consent.revoke(given.address);
    given.deliver(3);
    await expect(drain(call(exchanged.refreshToken), cursor)).rejects.toMatchObject({
      code: 'microsoft365.consent_ended',
      class: 'reauthenticate',
      message: expect.stringContaining('connect the account again'),
    });
    const again = await connect(given.address);
    expect((await drain(call(again.exchanged.refreshToken), cursor)).subjects).toEqual(['mail-3']);
  });

  it('is not taken where the consent leaves something out', async () => {
    given.simulator.consent.addAccount({
      address: given.address,
      withholds: ['https://graph.microsoft.com/Mail.Send'],
    });
    await expect(connect(given.address)).rejects.toMatchObject({
      code: 'microsoft365.scopes_missing',
      class: 'reauthenticate',
      message: expect.stringContaining('Mail.Send'),
    });
  });

  it('is replaced by a refresh token that was pasted after its consent had ended', async () => {
    const pasted = await given.simulator.delegated(given.address);
    const call = providerCall(settings(pasted), { tokens: keptTokens('revoked long ago') });
    expect((await drain(call)).ids).toHaveLength(2);
  });

  it('is not there before it was connected', async () => {
    const { mailbox: _mailbox, ...app } = given.simulator.application(given.address);
    const report = await microsoft365.validate!(providerCall(settings(app)));
    expect(report.problems).toMatchObject([
      { step: 'login', detail: expect.stringContaining('Connect') },
    ]);
  });

  it('may be given by a refresh token from elsewhere', async () => {
    const call = providerCall(settings(await given.simulator.delegated(given.address)));
    expect((await drain(call)).ids).toHaveLength(2);
    expect(given.simulator.consent.calls).toMatchObject({ refresh_token: 1 });
  });

  it('may be given by an access token alone, and asks for consent when that ends', async () => {
    const { mailbox: _mailbox, ...app } = given.simulator.application(given.address);
    const tokens = keptTokens();
    await drain(providerCall(settings(await given.simulator.delegated(given.address)), { tokens }));
    const accessToken = await tokens.access(() => Promise.reject(new Error('there is one')));
    const pasted = () => providerCall(settings({ ...app, access_token: accessToken }));
    expect((await drain(pasted())).ids).toHaveLength(2);
    given.simulator.consent.expireAccessTokens();
    await expect(drain(pasted())).rejects.toMatchObject({ class: 'reauthenticate', status: 401 });
  });
});
