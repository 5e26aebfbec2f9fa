import { z } from 'zod';
import type { ProviderManifest } from '../contract.ts';
import {
  aliasesField,
  clockworkFields,
  credentialText,
  FolderName,
  importSinceField,
  trustedServersField,
} from '../mail-settings.ts';

const address = z.url({ protocol: /^https?$/ });

/** Names that every mailbox knows its folders by (https://learn.microsoft.com/graph/api/resources/mailfolder). */
const NEVER_READ = ['drafts', 'sentitems', 'outbox'];

const ReadFolder = FolderName.refine((name) => !NEVER_READ.includes(name.toLowerCase()), {
  error: 'wants a folder that mail comes into: drafts and own mail are never read',
});

export const Microsoft365Settings = z
  .strictObject({
    auth: z.enum(['application', 'delegated']).optional().meta({
      description:
        '`application`: the app’s own credentials. `delegated`: an account that was connected. Left out: application where tenant_id, client_secret and mailbox are given and no refresh_token or access_token.',
    }),
    tenant_id: z
      .string()
      .regex(/^[\w.-]{1,253}$/, 'wants a directory (tenant) id or domain')
      .optional()
      .meta({ description: 'Directory (tenant) id of the app registration.' }),
    client_id: credentialText.optional().meta({ description: 'Application (client) id.' }),
    client_secret: credentialText.optional(),
    refresh_token: z.string().min(1).max(8192).optional().meta({
      description: 'From an earlier consent; Connect makes it needless.',
    }),
    access_token: z.string().min(1).max(8192).optional().meta({
      description: 'Taken as it is, without renewal: the channel asks for consent when it ends.',
    }),
    mailbox: z
      .string()
      .trim()
      .regex(/^[^\s/?#]{1,320}$/, 'wants an address or a user id')
      .optional()
      .meta({
        description: 'Address or user id of the mailbox. Left out: the connected account’s.',
      }),
    folder: ReadFolder.or(z.array(ReadFolder).min(1).max(50)).default('inbox').meta({
      description:
        'Folder to read, or several: a known name such as `inbox`, its name, or `Parent/Child`.',
    }),
    import_since: importSinceField,
    batch_size: z
      .int()
      .min(1)
      .max(1000)
      .default(100)
      .meta({ description: 'Mails listed at a time.' }),
    watch_enabled: z
      .boolean()
      .default(true)
      .meta({ description: 'False: no change notifications, the mailbox is only looked at.' }),
    base_url: address.optional().meta({
      description: 'Graph’s address, for a national cloud or a proxy.',
      examples: ['https://graph.microsoft.us'],
    }),
    login_base_url: address.optional().meta({
      description: 'Address of the sign-in service; follows from base_url.',
    }),
    aliases: aliasesField,
    trusted_servers: trustedServersField,
    ...clockworkFields,
  })
  .refine((settings) => settings.auth !== 'application' || settings.mailbox !== undefined, {
    path: ['mailbox'],
    error: '`auth: application` wants the mailbox to read',
  })
  .refine((settings) => settings.auth !== 'application' || settings.tenant_id !== undefined, {
    path: ['tenant_id'],
    error: '`auth: application` wants the directory (tenant) id',
  })
  .meta({ id: 'Microsoft365Settings' });
export type Microsoft365Settings = z.infer<typeof Microsoft365Settings>;

/** The folders read, each once. */
export function foldersOf({ folder }: Microsoft365Settings): string[] {
  return [...new Set(typeof folder === 'string' ? [folder] : folder)];
}

export const manifest: ProviderManifest<Microsoft365Settings> = {
  name: 'microsoft365',
  title: 'Microsoft 365 mailbox',
  aliases: ['outlook'],
  settings: Microsoft365Settings,
  secrets: ['client_secret', 'refresh_token', 'access_token'],
  environment: {
    MICROSOFT_TENANT_ID: 'tenant_id',
    MICROSOFT_CLIENT_ID: 'client_id',
    MICROSOFT_CLIENT_SECRET: 'client_secret',
    MICROSOFT_MAILBOX: 'mailbox',
    MICROSOFT_FOLDER: 'folder',
    MICROSOFT_IMPORT_SINCE: 'import_since',
    MICROSOFT_POLL_SECONDS: 'poll_seconds',
    MICROSOFT_REFRESH_TOKEN: 'refresh_token',
    MICROSOFT_WATCH_ENABLED: 'watch_enabled',
    MICROSOFT_BASE_URL: 'base_url',
    MICROSOFT_LOGIN_BASE_URL: 'login_base_url',
  },
  app: ['tenant_id', 'client_id', 'client_secret'],
  // With the app's own rights, any tenant's admin could read every mailbox that they reach.
  appTerms: { auth: 'delegated' },
  addressOf: ({ mailbox }) => (mailbox?.includes('@') ? mailbox : null),
  warnings: ({ access_token, refresh_token }) =>
    access_token !== undefined && refresh_token === undefined
      ? ['The access token can’t be renewed: the channel stops and asks for consent when it ends.']
      : [],
  source: 'mime',
};
