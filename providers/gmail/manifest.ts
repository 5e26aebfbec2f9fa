import { z } from 'zod';
import type { ProviderManifest } from '../contract.ts';
import {
  aliasesField,
  clockworkFields,
  credentialText,
  importSinceField,
  trustedServersField,
} from '../mail-settings.ts';

const LabelName = z
  .string()
  .trim()
  .min(1)
  .max(225)
  .regex(/^[^\r\n\0]*$/, 'wants a single line');

export const GmailSettings = z
  .strictObject({
    client_id: credentialText.optional().meta({ description: 'OAuth client of your own app.' }),
    client_secret: credentialText.optional(),
    refresh_token: credentialText
      .optional()
      .meta({ description: 'Left out where the account is connected by the Connect link.' }),
    access_token: credentialText.optional().meta({
      description: 'Without a refresh token: good for its hour, then a new consent is asked for.',
    }),
    account: z.email().optional().meta({
      description:
        'The account’s own address, by which Gmail names it in pushes; default the channel’s address.',
    }),
    labels: z
      .array(LabelName)
      .max(50)
      .default(['INBOX'])
      .meta({ description: 'Mail under any of these is read, by name or id; none: all mail.' }),
    watch_enabled: z
      .boolean()
      .default(true)
      .meta({ description: 'False: no pushes, new mail is found by looking.' }),
    pubsub_topic: z
      .string()
      .regex(/^projects\/[^/\s]+\/topics\/[^/\s]+$/, 'wants projects/<project>/topics/<topic>')
      .optional()
      .meta({
        description: 'Topic that gmail-api-push@system.gserviceaccount.com may publish to.',
      }),
    push_audience: credentialText.optional().meta({
      description: 'Audience of the push subscription’s token; default the address of the door.',
    }),
    push_service_account: z
      .email()
      .optional()
      .meta({ description: 'Service account that signs the pushes.' }),
    import_since: importSinceField,
    batch_size: z
      .int()
      .min(1)
      .max(500)
      .default(100)
      .meta({ description: 'Mails read and stored at a time.' }),
    aliases: aliasesField,
    trusted_servers: trustedServersField,
    base_url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({ description: 'Where all of Google’s addresses are reached instead: a proxy.' }),
    ...clockworkFields,
  })
  .refine((settings) => !isWatching(settings) || settings.push_service_account !== undefined, {
    path: ['push_service_account'],
    error: 'is wanted with a topic: without it anyone could send pushes',
  })
  .meta({ id: 'GmailSettings' });
export type GmailSettings = z.infer<typeof GmailSettings>;

/** Whether Gmail is asked to push. */
export function isWatching(settings: {
  readonly watch_enabled: boolean;
  readonly pubsub_topic?: string;
}): boolean {
  return settings.watch_enabled && settings.pubsub_topic !== undefined;
}

export const manifest: ProviderManifest<GmailSettings> = {
  name: 'gmail',
  title: 'Gmail',
  aliases: ['google'],
  settings: GmailSettings,
  secrets: ['client_secret', 'refresh_token', 'access_token'],
  environment: {
    GOOGLE_CLIENT_ID: 'client_id',
    GOOGLE_CLIENT_SECRET: 'client_secret',
    GMAIL_REFRESH_TOKEN: 'refresh_token',
    GMAIL_ACCOUNT: 'account',
    GMAIL_PUBSUB_TOPIC: 'pubsub_topic',
    GMAIL_PUSH_AUDIENCE: 'push_audience',
    GMAIL_PUSH_SERVICE_ACCOUNT: 'push_service_account',
    GMAIL_IMPORT_SINCE: 'import_since',
    GMAIL_BASE_URL: 'base_url',
  },
  app: ['client_id', 'client_secret'],
  addressOf: ({ account }) => account ?? null,
  accountOf: ({ account }, address) => (account ?? address)?.toLowerCase() ?? null,
  warnings: (settings) =>
    settings.watch_enabled && settings.pubsub_topic === undefined
      ? [
          `No Pub/Sub topic ("pubsub_topic") is set: new mail is found by looking every ${settings.poll_seconds} seconds.`,
        ]
      : [],
  source: 'mime',
};
