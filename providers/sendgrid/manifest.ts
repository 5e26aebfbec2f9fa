import { z } from 'zod';
import { BasicAuth, cloudFields, noKeyWarning } from '../cloud-mail.ts';
import type { ProviderManifest } from '../contract.ts';
import { credentialText } from '../mail-settings.ts';
import { readPublicKey } from './signature.ts';

const PublicKey = z
  .string()
  .refine((text) => readPublicKey(text) !== null, 'wants an ECDSA public key as SendGrid shows it');

export const SendgridSettings = z
  .strictObject({
    basic_auth: BasicAuth.optional(),
    parse_public_key: PublicKey.optional().meta({
      description: 'Public key of the security policy of the Inbound Parse webhook.',
    }),
    event_public_key: PublicKey.optional().meta({
      description: 'Verification key of the signed Event Webhook.',
    }),
    api_key: credentialText.optional().meta({ description: 'API key with Mail Send access.' }),
    region: z
      .enum(['global', 'eu'])
      .default('global')
      .meta({ description: '`eu` for subusers that are kept there.' }),
    ...cloudFields,
  })
  .refine(
    (settings) => settings.basic_auth !== undefined || settings.parse_public_key !== undefined,
    {
      path: ['basic_auth'],
      error: 'wants basic_auth, or parse_public_key: by one of them SendGrid’s calls are told',
    },
  )
  .meta({ id: 'SendgridSettings' });
export type SendgridSettings = z.infer<typeof SendgridSettings>;

export const manifest: ProviderManifest<SendgridSettings> = {
  name: 'sendgrid',
  title: 'Twilio SendGrid',
  settings: SendgridSettings,
  secrets: ['basic_auth.password', 'api_key'],
  environment: {
    SENDGRID_WEBHOOK_USERNAME: 'basic_auth.username',
    SENDGRID_WEBHOOK_PASSWORD: 'basic_auth.password',
    SENDGRID_PARSE_PUBLIC_KEY: 'parse_public_key',
    SENDGRID_EVENT_PUBLIC_KEY: 'event_public_key',
    SENDGRID_API_KEY: 'api_key',
    SENDGRID_REGION: 'region',
  },
  warnings: ({ api_key: key, basic_auth: login, event_public_key: eventKey }) => [
    ...(key === undefined ? [noKeyWarning] : []),
    ...(login === undefined && eventKey === undefined
      ? [
          'Neither "event_public_key" nor "basic_auth" is set: SendGrid’s word of deliveries and bounces is not let in.',
        ]
      : []),
  ],
  source: 'mime',
};
