import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { MessageChannel } from '../domain/message.ts';
import { settingsFromEnvironment, withInstallationApp } from './environment.ts';
import { ImapSettings } from './imap/manifest.ts';
import { portOf } from './mail-settings.ts';
import { findProvider, providers } from './registry.ts';

/** The least settings that a provider takes, where that is not none. */
const MINIMAL: Record<string, object> = {
  mailgun: { signing_key: 'k' },
  postmark: { basic_auth: { username: 'u', password: 'p' } },
  sendgrid: { basic_auth: { username: 'u', password: 'p' } },
  ses: { topic_arn: 'arn:aws:sns:eu-west-1:123456789012:mail', region: 'eu-west-1' },
  imap: { host: 'h', username: 'u', password: 'p' },
  whatsapp: { phone_number_id: '1', access_token: 't', app_secret: 's', verify_token: 'v' },
  pop3: { host: 'h', username: 'u', password: 'p' },
  messenger: { page_id: '1', page_access_token: 't', app_secret: 's', verify_token: 'v' },
};

interface JsonSchema {
  readonly properties?: Record<string, JsonSchema>;
  readonly $ref?: string;
  readonly $defs?: Record<string, JsonSchema>;
}

/** Whether a path such as `smtp.password` leads to something in the schema. */
function leadsSomewhere(schema: JsonSchema, path: string): boolean {
  let at: JsonSchema | undefined = schema;
  for (const key of path.split('.')) {
    const target: JsonSchema | undefined = at?.$ref
      ? schema.$defs?.[at.$ref.replace('#/$defs/', '')]
      : at;
    at = target?.properties?.[key];
  }
  return at !== undefined;
}

describe('the registry', () => {
  it('knows every provider by its name and aliases, each once', () => {
    const names = providers.flatMap(({ manifest }) => [manifest.name, ...(manifest.aliases ?? [])]);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(findProvider(name)).toBeDefined();
    expect(findProvider('nobody')).toBeUndefined();
  });
});

describe.each(providers.map((provider) => [provider.manifest.name, provider] as const))(
  'the manifest of %s',
  (name, { manifest, ...capabilities }) => {
    const schema = z.toJSONSchema(manifest.settings, { io: 'input' }) as JsonSchema;

    it('is named as messages name their channel', () => {
      expect(MessageChannel.options).toContain(name);
      expect(name).toMatch(/^[a-z0-9]+$/);
      expect(manifest.title).not.toBe('');
    });

    it('has a door for all accounts only with what tells a call that names none of ours', () => {
      const { door } = capabilities;
      expect(door?.keys === undefined).toBe(door?.accounts === undefined);
    });

    it('has a schema that OpenAPI can show, in and out', () => {
      for (const io of ['input', 'output'] as const)
        expect(() => z.toJSONSchema(manifest.settings, { io })).not.toThrow();
    });

    it('names secrets that are settings', () => {
      expect(manifest.secrets.length).toBeGreaterThan(0);
      for (const path of manifest.secrets)
        expect([path, leadsSomewhere(schema, path)]).toEqual([path, true]);
    });

    it('names environment variables that fill settings', () => {
      for (const [variable, path] of Object.entries(manifest.environment ?? {})) {
        expect(variable).toMatch(/^[A-Z][A-Z0-9_]+$/);
        expect([path, leadsSomewhere(schema, path)]).toEqual([path, true]);
      }
    });

    it('shares no environment variable with another provider', () => {
      const others = providers.filter((other) => other.manifest.name !== name);
      const taken = new Set(
        others.flatMap((other) => Object.keys(other.manifest.environment ?? {})),
      );
      expect(
        Object.keys(manifest.environment ?? {}).filter((variable) => taken.has(variable)),
      ).toEqual([]);
    });

    it('keeps the clockwork’s defaults, and refuses a setting it does not know', () => {
      const minimal = MINIMAL[name] ?? {};
      expect(manifest.settings.parse(minimal)).toMatchObject({
        poll_seconds: 300,
        timeout_seconds: 30,
        max_retries: 3,
      });
      expect(manifest.settings.safeParse({ ...minimal, pasword: 'x' }).success).toBe(false);
    });

    it('can do something', () => {
      expect(Object.values(capabilities).filter(Boolean).length).toBeGreaterThan(0);
    });
  },
);

describe('mail settings', () => {
  const minimal = { host: 'mail.example.com', username: 'a@example.com', password: 'p' };

  it('default to TLS, INBOX and leaving mail as it is, and warn of nothing but the missing way out', () => {
    const parsed = ImapSettings.parse(minimal);
    expect(parsed).toMatchObject({
      security: 'tls',
      folder: 'INBOX',
      after: 'leave',
      import_since: 'now',
      save_sent: true,
    });
    const { manifest } = findProvider('imap')!;
    expect(manifest.addressOf!(parsed)).toBe('a@example.com');
    expect(manifest.warnings!(parsed)).toEqual([expect.stringContaining('answers can’t be sent')]);
  });

  it('take the port from protocol and security, unless one is given', () => {
    const port = (protocol: Parameters<typeof portOf>[0]) =>
      (['tls', 'starttls', 'none'] as const).map((security) => portOf(protocol, { security }));
    expect(port('imap')).toEqual([993, 143, 143]);
    expect(port('pop3')).toEqual([995, 110, 110]);
    expect(port('submission')).toEqual([465, 587, 587]);
    expect(portOf('imap', { security: 'tls', port: 1993 })).toBe(1993);
  });

  it('warn where a password would travel in plain', () => {
    const { manifest } = findProvider('imap')!;
    const plain = ImapSettings.parse({
      ...minimal,
      security: 'none',
      smtp: { host: 'h', security: 'none', username: 'u', password: 'p' },
    });
    const warnings = manifest.warnings!(plain);
    expect(warnings).toHaveLength(2);
    for (const warning of warnings) expect(warning).toContain('travel in plain');
  });

  it.each([
    ['a move without a folder', { after: 'move' }],
    ['a move into a folder that is read', { after: 'move', move_to: 'INBOX' }],
    ['a host with a scheme', { host: 'imaps://mail.example.com' }],
    ['a line end in a password', { password: 'p\r\nA1 LOGOUT' }],
    ['a line end in a folder', { folder: 'INBOX\r\nx' }],
    ['a port out of range', { port: 70_000 }],
    ['half a login', { smtp: { host: 'h', username: 'u' } }],
    ['a date that is none', { import_since: 'yesterday' }],
  ])('refuse %s', (_what, change) => {
    expect(ImapSettings.safeParse({ ...minimal, ...change }).success).toBe(false);
  });
});

describe('settingsFromEnvironment', () => {
  const { manifest } = findProvider('imap')!;

  it('reads a whole account, numbers and nested settings included', () => {
    const read = settingsFromEnvironment(manifest, {
      IMAP_HOST: 'mail.example.com',
      IMAP_PORT: '1993',
      IMAP_USERNAME: 'a',
      IMAP_PASSWORD: '12345',
      IMAP_SMTP_HOST: 'out.example.com',
      IMAP_SMTP_PORT: '2465',
    });
    expect(read).toMatchObject({
      settings: { port: 1993, password: '12345', smtp: { host: 'out.example.com', port: 2465 } },
    });
  });

  it('takes the installation’s own app for a channel that names none, and makes no channel of it', () => {
    const { manifest: gmail } = findProvider('gmail')!;
    const app = { GOOGLE_CLIENT_ID: 'id', GOOGLE_CLIENT_SECRET: 'secret' };
    expect(settingsFromEnvironment(gmail, app)).toEqual({ settings: null });
    expect(settingsFromEnvironment(gmail, { ...app, GMAIL_REFRESH_TOKEN: 't' })).toMatchObject({
      settings: { client_id: 'id', client_secret: 'secret', refresh_token: 't' },
    });
    expect(withInstallationApp(gmail, { labels: [] }, app)).toEqual({
      labels: [],
      client_id: 'id',
      client_secret: 'secret',
    });
    const own = { client_id: 'own' };
    expect(withInstallationApp(gmail, own, app)).toEqual(own);
    expect(withInstallationApp(manifest, {}, app)).toEqual({});
  });

  it('says nothing where nothing is set, and names the variable that is wrong without its value', () => {
    expect(settingsFromEnvironment(manifest, {})).toEqual({ settings: null });
    const wrong = settingsFromEnvironment(manifest, {
      IMAP_HOST: 'h',
      IMAP_USERNAME: 'u',
      IMAP_PASSWORD: 'p',
      IMAP_PORT: 'abc',
    });
    expect(wrong).toEqual({ problems: [expect.stringMatching(/^IMAP_PORT: /)] });
    expect(JSON.stringify(wrong)).not.toContain('abc');
  });
});
