import { z } from 'zod';
import { MailPreset, PRESETS } from './mail-presets.ts';
import {
  credentialText,
  type OutgoingServer,
  serverFields,
  type MailProtocol,
} from './mail-settings.ts';

// How a mailbox is logged in to, by password or by OAuth, and where a preset says where it is. Shared by IMAP and POP3.

const Address = z
  .url({ protocol: /^https?$/, error: 'wants a URL that begins with https://' })
  .max(2000);

export const MailOauth = z
  .strictObject({
    client_id: credentialText.optional().meta({ description: 'OAuth client of your own app.' }),
    client_secret: credentialText.optional(),
    token_url: Address.optional().meta({ description: 'Left out where a preset knows it.' }),
    authorize_url: Address.optional().meta({
      description: 'The consent page; left out where a preset knows it, or where no link is used.',
    }),
    scope: z.string().max(2000).optional().meta({
      description: 'Rights asked for, apart by spaces; left out where a preset knows them.',
    }),
    refresh_token: z
      .string()
      .min(1)
      .max(8000)
      .optional()
      .meta({ description: 'Left out where the account is connected by the Connect link.' }),
    access_token: z.string().min(1).max(8000).optional().meta({
      description: 'Without a refresh token: good until it expires, then a consent is asked for.',
    }),
  })
  .meta({ id: 'MailOauth', description: 'Login by OAuth 2.0 (XOAUTH2) instead of a password.' });
export type MailOauth = z.infer<typeof MailOauth>;

/** Spread into a mailbox's settings. */
export const mailboxServerFields = {
  ...serverFields,
  host: serverFields.host
    .default('')
    .meta({ description: 'Host name or address; left out where a preset knows it.' }),
  preset: MailPreset.optional(),
};

export const loginFields = {
  username: credentialText,
  password: credentialText.optional().meta({ description: 'Or `oauth`.' }),
  oauth: MailOauth.optional(),
};

export const loginSecrets = [
  'password',
  'smtp.password',
  'oauth.client_secret',
  'oauth.refresh_token',
  'oauth.access_token',
];

/** `loginEnvironment('IMAP')` → IMAP_PRESET → preset, IMAP_OAUTH_CLIENT_ID → oauth.client_id … */
export function loginEnvironment(prefix: string): Record<string, string> {
  const oauth = Object.keys(MailOauth.shape).map((field) => [
    `${prefix}_OAUTH_${field.toUpperCase()}`,
    `oauth.${field}`,
  ]);
  return { [`${prefix}_PRESET`]: 'preset', ...Object.fromEntries(oauth) };
}

export interface MailboxLogin {
  readonly host: string;
  readonly verify_tls: boolean;
  readonly ca?: string;
  readonly preset?: MailPreset;
  readonly username: string;
  readonly password?: string;
  readonly oauth?: MailOauth;
  readonly smtp?: OutgoingServer;
}

/** The settings with what their preset says filled in; the way out is logged in to as the way in is. */
export function withPreset<S extends MailboxLogin>(
  protocol: Exclude<MailProtocol, 'submission'>,
  settings: S,
): S {
  const preset = settings.preset && PRESETS[settings.preset];
  if (!preset) return settings;
  const host = settings.host === '' ? (preset.hosts?.[protocol] ?? '') : settings.host;
  const { oauth, username, password, verify_tls, ca } = settings;
  const known = preset.oauth && {
    authorize_url: preset.oauth.authorize_url,
    token_url: preset.oauth.token_url,
    scope: preset.oauth.scope[protocol],
  };
  const login = oauth ? { username, oauth: true } : { username, password };
  const smtp = settings.smtp ?? {
    ...preset.outgoing(host),
    verify_tls,
    ...(ca !== undefined && { ca }),
    ...login,
  };
  return {
    ...settings,
    host,
    ...(host !== '' && { smtp }),
    ...(oauth && { oauth: { ...known, ...oauth } }),
  };
}

/** What is wrong with a login, each with the field to look at; for a schema's `superRefine`. */
export function loginProblems(settings: MailboxLogin): { path: string[]; message: string }[] {
  const { host, preset, password, oauth, smtp } = settings;
  const problems: { path: string[]; message: string }[] = [];
  const say = (path: string[], message: string) => problems.push({ path, message });
  if (host === '')
    say(['host'], preset ? `preset "${preset}" wants your server's host` : 'is wanted');
  if (password === undefined && !oauth) say(['password'], 'wants a password, or "oauth"');
  if (oauth && oauth.client_id === undefined && oauth.access_token === undefined)
    say(['oauth', 'client_id'], 'is wanted, unless an access_token is given');
  if (oauth?.client_id !== undefined && oauth.token_url === undefined)
    say(['oauth', 'token_url'], 'is wanted where no preset knows it');
  if (smtp?.oauth && !oauth) say(['smtp', 'oauth'], 'wants "oauth" in the channel’s settings');
  return problems;
}

/** `superRefine` with what `loginProblems` says. */
export function checkLogin(settings: MailboxLogin, context: z.RefinementCtx): void {
  for (const { path, message } of loginProblems(settings))
    context.addIssue({ code: 'custom', path, message });
}
