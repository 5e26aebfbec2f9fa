import { z } from 'zod';
import { chatFields } from '../chat-settings.ts';
import type { ProviderManifest } from '../contract.ts';
import { credentialText } from '../mail-settings.ts';
import { readEvent } from './map.ts';

const FacebookId = z
  .string()
  .trim()
  .regex(/^\d{1,32}$/, 'wants the digits of an id, as Facebook shows it');

export const MessengerSettings = z
  .strictObject({
    page_id: FacebookId.meta({ description: 'Of the Facebook page.' }),
    page_access_token: credentialText.meta({
      description: 'Of the page, with pages_messaging and pages_manage_metadata.',
    }),
    app_secret: credentialText.meta({
      description: 'Of the Meta app that the token and the webhook belong to.',
    }),
    verify_token: credentialText.meta({
      description: 'A word of your own choice, given at Meta beside the webhook’s address.',
    }),
    subscribe_page: z.boolean().default(true).meta({
      description:
        'The page is subscribed to the app while the channel is active; false: that is done by hand.',
    }),
    ...chatFields,
  })
  .meta({ id: 'MessengerSettings' });
export type MessengerSettings = z.infer<typeof MessengerSettings>;

export const manifest: ProviderManifest<MessengerSettings> = {
  name: 'messenger',
  title: 'Facebook Messenger',
  aliases: ['facebook'],
  settings: MessengerSettings,
  secrets: ['page_access_token', 'app_secret', 'verify_token'],
  environment: {
    MESSENGER_PAGE_ID: 'page_id',
    MESSENGER_PAGE_ACCESS_TOKEN: 'page_access_token',
    MESSENGER_APP_SECRET: 'app_secret',
    MESSENGER_VERIFY_TOKEN: 'verify_token',
    MESSENGER_TICKET_CREATION_ENABLED: 'ticket_creation_enabled',
    MESSENGER_NOTIFICATIONS_ENABLED: 'notifications_enabled',
    MESSENGER_BASE_URL: 'base_url',
  },
  accountOf: ({ page_id: id }) => id,
  source: readEvent,
};
