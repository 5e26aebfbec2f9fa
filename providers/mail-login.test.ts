import { describe, expect, it } from '@jest/globals';
import { ImapSettings } from './imap/manifest.ts';
import { MailPreset } from './mail-presets.ts';
import { portOf } from './mail-settings.ts';
import { Pop3Settings } from './pop3/manifest.ts';
import { findProvider } from './registry.ts';

const byPassword = { username: 'ada@example.com', password: 'p' };
const client = { client_id: 'c', client_secret: 's' };
const byOauth = { username: 'ada@example.com', oauth: client };

describe('presets', () => {
  it.each([
    ['gmail', 'imap.gmail.com', 'pop.gmail.com', 'smtp.gmail.com', 465],
    ['outlook', 'outlook.office365.com', 'outlook.office365.com', 'smtp.office365.com', 587],
    ['yahoo', 'imap.mail.yahoo.com', 'pop.mail.yahoo.com', 'smtp.mail.yahoo.com', 465],
  ] as const)('%s fills where to read and how to send', (preset, imap, pop3, out, port) => {
    const read = ImapSettings.parse({ preset, ...byPassword });
    expect(read).toMatchObject({ host: imap, security: 'tls', smtp: { host: out, ...byPassword } });
    expect([portOf('imap', read), portOf('submission', read.smtp!)]).toEqual([993, port]);
    const popped = Pop3Settings.parse({ preset, ...byOauth });
    expect(popped).toMatchObject({
      host: pop3,
      smtp: { oauth: true, username: 'ada@example.com' },
    });
    expect(popped.smtp).not.toHaveProperty('password');
    expect(portOf('pop3', popped)).toBe(995);
    expect(popped.oauth).toMatchObject({
      ...client,
      authorize_url: expect.stringMatching(/^https:/),
      token_url: expect.stringMatching(/^https:/),
      scope: expect.any(String),
    });
  });

  it.each(['zimbra', 'exchange', 'dovecot'] as const)(
    '%s wants the host, and sends by the same',
    (preset) => {
      const missing = ImapSettings.safeParse({ preset, ...byPassword });
      expect(missing.error?.issues).toMatchObject([{ path: ['host'] }]);
      const parsed = ImapSettings.parse({ preset, host: 'mail.example.com', ...byPassword });
      expect(parsed.smtp).toMatchObject({
        host: 'mail.example.com',
        security: 'starttls',
        port: 587,
      });
    },
  );

  it('ask for the rights of what is read, and to send', () => {
    const scope = (schema: typeof ImapSettings | typeof Pop3Settings) =>
      schema.parse({ preset: 'outlook', ...byOauth }).oauth!.scope;
    expect(scope(ImapSettings)).toContain('IMAP.AccessAsUser.All');
    expect(scope(Pop3Settings)).toContain('POP.AccessAsUser.All');
    expect(scope(Pop3Settings)).toMatch(/SMTP\.Send.*offline_access/);
  });

  it('yield to what is given beside them', () => {
    const own = ImapSettings.parse({
      preset: 'gmail',
      ...byOauth,
      host: 'imap.example.com',
      oauth: { ...client, token_url: 'https://id.example.com/token' },
      smtp: { host: 'out.example.com' },
    });
    expect(own).toMatchObject({
      host: 'imap.example.com',
      oauth: { token_url: 'https://id.example.com/token' },
    });
    expect(own.smtp).toEqual({ host: 'out.example.com', security: 'tls', verify_tls: true });
  });

  it.each(MailPreset.options)('%s leads to settings that parse again to the same', (preset) => {
    const parsed = ImapSettings.parse({ preset, host: 'mail.example.com', ...byPassword });
    expect(ImapSettings.parse(parsed)).toEqual(parsed);
  });
});

describe('a login', () => {
  const host = { host: 'mail.example.com' };
  it.each([
    ['neither password nor OAuth', { username: 'u' }, 'password'],
    ['OAuth without a client', { username: 'u', oauth: {} }, 'oauth.client_id'],
    ['OAuth without a token address', byOauth, 'oauth.token_url'],
    [
      'an outgoing server by OAuth without it',
      { ...byPassword, smtp: { host: 'h', oauth: true } },
      'smtp.oauth',
    ],
    [
      'a token address that is none',
      { username: 'u', oauth: { ...client, token_url: 'ftp://x' } },
      'oauth.token_url',
    ],
  ])('is refused with %s', (_what, login, path) => {
    for (const schema of [ImapSettings, Pop3Settings])
      expect(
        schema.safeParse({ ...host, ...login }).error?.issues.map((issue) => issue.path.join('.')),
      ).toContain(path);
  });

  it('keeps its secrets sealed, and warns where a token would travel in plain', () => {
    for (const name of ['imap', 'pop3']) {
      const { manifest } = findProvider(name)!;
      expect(manifest.secrets).toEqual(
        expect.arrayContaining(['password', 'oauth.client_secret', 'oauth.refresh_token']),
      );
      const plain = { ...host, username: 'u', oauth: { access_token: 't' }, security: 'none' };
      expect(manifest.warnings!(manifest.settings.parse(plain))).toContainEqual(
        expect.stringContaining('the access token'),
      );
    }
  });
});

describe('the consent page', () => {
  const request = {
    redirectUri: 'https://desk.example.com/oauth/imap/callback',
    state: 'state',
    codeChallenge: 'challenge',
    address: null,
  };

  it('is asked for offline access with PKCE, for the account that is read', () => {
    const { manifest, consent } = findProvider('imap')!;
    const settings = manifest.settings.parse({ preset: 'gmail', ...byOauth });
    const url = new URL(consent!.authorizationUrl(settings, request));
    expect(url.origin + url.pathname).toBe('https://accounts.google.com/o/oauth2/v2/auth');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      access_type: 'offline',
      prompt: 'consent',
      client_id: 'c',
      response_type: 'code',
      redirect_uri: request.redirectUri,
      scope: 'https://mail.google.com/',
      state: 'state',
      code_challenge: 'challenge',
      code_challenge_method: 'S256',
      login_hint: 'ada@example.com',
    });
  });

  it('is refused in plain words where nobody knows its address', () => {
    const { manifest, consent } = findProvider('pop3')!;
    const settings = manifest.settings.parse({ host: 'h', ...byPassword });
    expect(() => consent!.authorizationUrl(settings, request)).toThrow('oauth.client_id');
  });
});
