import { z } from 'zod';
import { cloudFields, noKeyWarning } from '../cloud-mail.ts';
import type { ProviderManifest } from '../contract.ts';
import { credentialText } from '../mail-settings.ts';

export const MailgunSettings = z
  .strictObject({
    signing_key: credentialText.meta({
      description: 'HTTP webhook signing key of the account (not the API key).',
    }),
    api_key: credentialText.optional().meta({
      description: 'API key: for sending, and for messages that a route has stored.',
    }),
    domain: z
      .hostname()
      .optional()
      .meta({ description: 'Sending domain.', examples: ['mg.example.com'] }),
    region: z.enum(['us', 'eu']).default('us').meta({ description: 'Where the domain is kept.' }),
    ...cloudFields,
  })
  .meta({ id: 'MailgunSettings' });
export type MailgunSettings = z.infer<typeof MailgunSettings>;

export const manifest: ProviderManifest<MailgunSettings> = {
  name: 'mailgun',
  title: 'Mailgun',
  settings: MailgunSettings,
  secrets: ['signing_key', 'api_key'],
  environment: {
    MAILGUN_SIGNING_KEY: 'signing_key',
    MAILGUN_API_KEY: 'api_key',
    MAILGUN_DOMAIN: 'domain',
    MAILGUN_REGION: 'region',
  },
  warnings: ({ api_key: key, domain }) => [
    ...(key === undefined ? [noKeyWarning] : []),
    ...(key !== undefined && domain === undefined
      ? ['No "domain" is set: mail comes in, but answers can’t be sent.']
      : []),
  ],
  source: 'mime',
};
