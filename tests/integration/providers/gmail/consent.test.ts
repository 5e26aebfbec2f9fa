import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { AccountTokens, ObtainedTokens } from '../../../../providers/contract.ts';
import { gmail } from '../../../../providers/gmail/provider.ts';
import {
  createGmailSimulator,
  type GmailSimulator,
} from '../../../../simulators/gmail/simulator.ts';
import { consentAsBrowser } from '../../../../simulators/oidc/browser.ts';
import { drain, gmailFixture, type Fixture } from './fixture.ts';

jest.setTimeout(240_000);
const RIGHT = 'https://www.googleapis.com/auth/gmail';
const redirectUri = 'http://127.0.0.1:3000/oauth/gmail/callback';

describe('the consent to read and send by Gmail', () => {
  let simulator: GmailSimulator;
  let at: Fixture;
  beforeAll(async () => {
    simulator = await createGmailSimulator();
  });
  afterAll(async () => {
    expect(simulator.violations).toEqual([]);
    await simulator.close();
  });
  beforeEach(async () => {
    simulator.faults.clear();
    at = await gmailFixture(simulator);
  });

  /** Tokens as the core keeps them: until their end, or until they are refused. */
  function keptTokens(refreshToken: string | null = null) {
    let kept: ObtainedTokens | null = null;
    let obtained = 0;
    const tokens: AccountTokens = {
      async access(obtain) {
        if (!kept || kept.expiresAt.getTime() < Date.now() + 60_000) {
          kept = await obtain({ refreshToken });
          obtained++;
        }
        return kept.accessToken;
      },
      refuse(token) {
        if (kept?.accessToken === token) kept = null;
        return Promise.resolve();
      },
    };
    return { tokens, obtained: () => obtained };
  }

  async function connect(settings: object, address: string) {
    const call = at.call(settings);
    const codeVerifier = randomBytes(32).toString('base64url');
    const url = gmail.consent!.authorizationUrl(call.settings, {
      redirectUri,
      state: 'state-1',
      codeChallenge: createHash('sha256').update(codeVerifier).digest('base64url'),
      address,
    });
    const back = await consentAsBrowser(url, redirectUri);
    const code = back.searchParams.get('code')!;
    expect(back.searchParams.get('state')).toBe('state-1');
    return { url, call, answer: { code, codeVerifier, redirectUri } };
  }

  it('asks for the least, offline, with PKCE, and names the account', () => {
    const url = new URL(
      gmail.consent!.authorizationUrl(
        at.call({ base_url: undefined, account: undefined }).settings,
        { redirectUri, state: 's', codeChallenge: 'c', address: 'support@gmail.test' },
      ),
    );
    expect(url.origin + url.pathname).toBe('https://accounts.google.com/o/oauth2/v2/auth');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      scope: `${RIGHT}.readonly ${RIGHT}.send`,
      access_type: 'offline',
      include_granted_scopes: 'true',
      prompt: 'consent',
      login_hint: 'support@gmail.test',
      code_challenge: 'c',
      code_challenge_method: 'S256',
      state: 's',
      redirect_uri: redirectUri,
    });
  });

  it('is traded for tokens that read the account', async () => {
    const { address } = at.account.mailbox;
    const { call, answer } = await connect({ refresh_token: undefined }, address);
    const granted = await gmail.consent!.exchange(call, answer);
    expect(granted).toMatchObject({ address, refreshToken: expect.any(String) });
    expect(granted.scopes).toEqual(expect.arrayContaining([`${RIGHT}.readonly`, `${RIGHT}.send`]));
    at.account.mailbox.deliver(at.mail(1));
    const { tokens } = keptTokens(granted.refreshToken);
    const read = await drain(at.call({ refresh_token: undefined }, { tokens }), null);
    expect(read.subjects).toEqual(['mail-1']);
  });

  it('is not taken where a box was left unticked, or the code is not ours', async () => {
    const { address } = at.account.mailbox;
    simulator.consent.addAccount({ address, withholds: [`${RIGHT}.send`] });
    const { call, answer } = await connect({}, address);
    await expect(gmail.consent!.exchange(call, answer)).rejects.toMatchObject({
      code: 'gmail.scopes_missing',
      class: 'reauthenticate',
    });
    await expect(
      gmail.consent!.exchange(call, { ...answer, code: 'another' }),
    ).rejects.toMatchObject({ code: 'gmail.consent_revoked', class: 'reauthenticate' });
  });

  it('renews an access token that ended, without asking anybody', async () => {
    at.account.mailbox.deliver(at.mail(1));
    const { tokens, obtained } = keptTokens();
    const { cursor } = await drain(at.call({}, { tokens }), null);
    expect(obtained()).toBe(1);
    simulator.consent.expireAccessTokens();
    await new Promise((done) => setTimeout(done, 1100)); // tokens are dated by the second
    for (let n = 2; n <= 9; n++) at.account.mailbox.deliver(at.mail(n));
    expect((await drain(at.call({}, { tokens }), cursor)).items).toHaveLength(8);
    expect(obtained()).toBe(2);
  });

  // Edge case 42: refresh token revoked → the channel keeps its cursor and resumes after a new consent.
  it('42: once revoked asks for another, and goes on from the cursor with it', async () => {
    const { mailbox } = at.account;
    mailbox.deliver(at.mail(1));
    const { cursor } = await drain(at.call(), null);
    await simulator.consent.revoke(mailbox.address);
    mailbox.deliver(at.mail(2));
    await expect(drain(at.call(), cursor)).rejects.toMatchObject({
      code: 'gmail.consent_revoked',
      class: 'reauthenticate',
      message: expect.stringContaining('connect the account again'),
    });
    expect(await gmail.validate!(at.call())).toMatchObject({
      ok: false,
      problems: [{ step: 'login' }],
    });
    const again = await simulator.consent.grant(mailbox.address);
    const { tokens } = keptTokens(again);
    // The settings still hold the old one.
    expect((await drain(at.call({}, { tokens }), cursor)).subjects).toEqual(['mail-2']);
  });

  it('42: falls back to a token that was pasted after the kept one was revoked', async () => {
    at.account.mailbox.deliver(at.mail(1));
    const { tokens } = keptTokens('revoked long ago');
    expect((await drain(at.call({}, { tokens }), null)).subjects).toEqual(['mail-1']);
  });

  it('42: takes a pasted access token for its hour, and then asks for a consent', async () => {
    const { tokens } = keptTokens();
    let pasted = '';
    await gmail.validate!(at.call({}, { tokens: { ...tokens, access: async (obtain) => (pasted = await tokens.access(obtain)) } })); // prettier-ignore
    const settings = { refresh_token: undefined, client_id: undefined, client_secret: undefined, access_token: pasted }; // prettier-ignore
    at.account.mailbox.deliver(at.mail(1));
    const { cursor, subjects } = await drain(at.call(settings), null);
    expect(subjects).toEqual(['mail-1']);
    simulator.consent.expireAccessTokens();
    await expect(drain(at.call(settings, keptTokens()), cursor)).rejects.toMatchObject({
      code: 'gmail.token_expired',
      class: 'reauthenticate',
    });
  });

  it.each([
    ['no account is connected', { refresh_token: undefined }, 'gmail.not_connected'],
    ['no client is set', { client_id: undefined }, 'gmail.no_client'],
    ['the client’s secret is wrong', { client_secret: 'wrong' }, 'gmail.client_refused'],
  ])('says plainly where %s', async (_what, settings, code) => {
    await expect(drain(at.call(settings), null)).rejects.toMatchObject({
      code,
      class: 'reauthenticate',
    });
    expect((await gmail.validate!(at.call(settings))).ok).toBe(false);
  });

  it('validates the account, its labels, and by what name pushes will call it', async () => {
    expect(await gmail.validate!(at.call())).toMatchObject({ ok: true, problems: [] });
    expect(await gmail.validate!(at.call({ labels: ['Nowhere'] }))).toMatchObject({
      ok: false,
      problems: [{ step: 'folder', pointer: '/settings/labels' }],
    });
    const watching = {
      account: 'alias@gmail.test',
      pubsub_topic: 'projects/p/topics/t',
      push_service_account: 'push@p.iam.gserviceaccount.com',
    };
    expect((await gmail.validate!(at.call(watching))).warnings).toEqual([
      expect.stringContaining(at.account.mailbox.address),
    ]);
    expect(await gmail.validate!(at.call({ base_url: 'http://127.0.0.1:1' }))).toMatchObject({
      ok: false,
      problems: [{ step: 'port', pointer: '/settings/base_url' }],
    });
    expect(await gmail.validate!(at.call({ base_url: 'http://10.0.0.1' }))).toMatchObject({
      ok: false,
      problems: [{ step: 'host' }],
    });
  });
});
