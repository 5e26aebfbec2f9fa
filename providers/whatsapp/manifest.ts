import { z } from 'zod';
import { chatFields } from '../chat-settings.ts';
import type { ProviderManifest } from '../contract.ts';
import { credentialText } from '../mail-settings.ts';
import { readMessage } from './map.ts';

const GraphId = z
  .string()
  .trim()
  .regex(/^\d{1,32}$/, 'wants the digits of an id in WhatsApp Manager');

export const WhatsAppSettings = z
  .strictObject({
    phone_number_id: GraphId.meta({ description: 'Id of the number, not the number itself.' }),
    business_account_id: GraphId.optional().meta({
      description: 'WhatsApp Business Account: templates are read from it.',
    }),
    access_token: credentialText.meta({
      description:
        'Of a system user, with whatsapp_business_messaging and whatsapp_business_management.',
    }),
    app_secret: credentialText.meta({
      description: 'Of the Meta app that the token and the webhook belong to.',
    }),
    verify_token: credentialText.meta({
      description: 'A word of your own choice, given at Meta beside the webhook’s address.',
    }),
    whatsapp_enabled: z.boolean().default(true).meta({
      description: 'False: what comes in is kept in the journal only, and nothing is sent.',
    }),
    ...chatFields,
  })
  .meta({ id: 'WhatsAppSettings' });
export type WhatsAppSettings = z.infer<typeof WhatsAppSettings>;

export const manifest: ProviderManifest<WhatsAppSettings> = {
  name: 'whatsapp',
  title: 'WhatsApp Business',
  settings: WhatsAppSettings,
  secrets: ['access_token', 'app_secret', 'verify_token'],
  environment: {
    WHATSAPP_PHONE_NUMBER_ID: 'phone_number_id',
    WHATSAPP_BUSINESS_ACCOUNT_ID: 'business_account_id',
    WHATSAPP_ACCESS_TOKEN: 'access_token',
    WHATSAPP_APP_SECRET: 'app_secret',
    WHATSAPP_VERIFY_TOKEN: 'verify_token',
    WHATSAPP_ENABLED: 'whatsapp_enabled',
    WHATSAPP_TICKET_CREATION_ENABLED: 'ticket_creation_enabled',
    WHATSAPP_NOTIFICATIONS_ENABLED: 'notifications_enabled',
    WHATSAPP_BASE_URL: 'base_url',
  },
  accountOf: ({ phone_number_id: id }) => id,
  off: ({ whatsapp_enabled: on }) => (on ? null : IS_OFF),
  warnings: (settings) => [
    ...(settings.whatsapp_enabled ? [] : [IS_OFF]),
    ...(settings.business_account_id === undefined ? [NO_ACCOUNT] : []),
  ],
  source: readMessage,
};

export const IS_OFF = '"whatsapp_enabled" is off: nothing is taken in and nothing is sent.';
const NO_ACCOUNT =
  'No "business_account_id" is set: templates can’t be read, so nothing can be sent after a conversation’s window.';
