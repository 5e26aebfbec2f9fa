import { z } from 'zod';
import type { MailProtocol, MailSecurity } from './mail-settings.ts';

export const MailPreset = z
  .enum(['gmail', 'outlook', 'yahoo', 'zimbra', 'exchange', 'dovecot'])
  .meta({
    id: 'MailPreset',
    description:
      'Fills host, port, security, the outgoing server and the OAuth addresses as this provider has them; what is given beside it counts. `zimbra`, `exchange` (on your own machines) and `dovecot` want your host.',
  });
export type MailPreset = z.infer<typeof MailPreset>;

export interface PresetServer {
  readonly host: string;
  readonly security: MailSecurity;
  readonly port?: number;
}

export interface Preset {
  /** Null where every installation has a host of its own. */
  readonly hosts: { readonly imap: string; readonly pop3: string } | null;
  /** @param host the mailbox's own */
  readonly outgoing: (host: string) => PresetServer;
  readonly oauth: PresetOauth | null;
}

export interface PresetOauth {
  readonly authorize_url: string;
  readonly token_url: string;
  /** By what is read; the right to send is among them. */
  readonly scope: Readonly<Record<Exclude<MailProtocol, 'submission'>, string>>;
  /** What the consent page wants beside the standard's parameters. */
  readonly consent: Readonly<Record<string, string>>;
}

const submission = (host: string): PresetServer => ({ host, security: 'starttls', port: 587 });

const outlookScope = (right: string) =>
  `https://outlook.office.com/${right} https://outlook.office.com/SMTP.Send offline_access`;

export const PRESETS: Readonly<Record<MailPreset, Preset>> = {
  // https://developers.google.com/workspace/gmail/imap/imap-smtp, …/imap/xoauth2-protocol,
  // https://developers.google.com/identity/protocols/oauth2/web-server
  gmail: {
    hosts: { imap: 'imap.gmail.com', pop3: 'pop.gmail.com' },
    outgoing: () => ({ host: 'smtp.gmail.com', security: 'tls', port: 465 }),
    oauth: {
      authorize_url: 'https://accounts.google.com/o/oauth2/v2/auth',
      token_url: 'https://oauth2.googleapis.com/token',
      scope: { imap: 'https://mail.google.com/', pop3: 'https://mail.google.com/' },
      consent: { access_type: 'offline', prompt: 'consent' },
    },
  },
  // https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
  outlook: {
    hosts: { imap: 'outlook.office365.com', pop3: 'outlook.office365.com' },
    outgoing: () => submission('smtp.office365.com'),
    oauth: {
      authorize_url: 'https://login.microsoftonline.com/common/oauth2/v2.0/authorize',
      token_url: 'https://login.microsoftonline.com/common/oauth2/v2.0/token',
      scope: {
        imap: outlookScope('IMAP.AccessAsUser.All'),
        pop3: outlookScope('POP.AccessAsUser.All'),
      },
      consent: {},
    },
  },
  // https://senders.yahooinc.com/developer/documentation, https://developer.yahoo.com/oauth2/guide
  yahoo: {
    hosts: { imap: 'imap.mail.yahoo.com', pop3: 'pop.mail.yahoo.com' },
    outgoing: () => ({ host: 'smtp.mail.yahoo.com', security: 'tls', port: 465 }),
    oauth: {
      authorize_url: 'https://api.login.yahoo.com/oauth2/request_auth',
      token_url: 'https://api.login.yahoo.com/oauth2/get_token',
      scope: { imap: 'mail-w', pop3: 'mail-w' },
      consent: {},
    },
  },
  zimbra: { hosts: null, outgoing: submission, oauth: null },
  exchange: { hosts: null, outgoing: submission, oauth: null },
  dovecot: { hosts: null, outgoing: submission, oauth: null },
};
