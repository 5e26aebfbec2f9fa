import { z } from 'zod';
import { BasicAuth, cloudFields, noKeyWarning } from '../cloud-mail.ts';
import type { ProviderManifest } from '../contract.ts';
import { credentialText } from '../mail-settings.ts';

export const PostmarkSettings = z
  .strictObject({
    basic_auth: BasicAuth,
    api_key: credentialText.optional().meta({ description: 'API token of the Postmark server.' }),
    message_stream: z
      .string()
      .regex(/^[a-z0-9-]{1,30}$/, 'wants the id of a message stream, such as "outbound"')
      .optional()
      .meta({ description: 'Message stream that answers leave by. Default: `outbound`.' }),
    ...cloudFields,
  })
  .meta({ id: 'PostmarkSettings' });
export type PostmarkSettings = z.infer<typeof PostmarkSettings>;

export const manifest: ProviderManifest<PostmarkSettings> = {
  name: 'postmark',
  title: 'Postmark',
  settings: PostmarkSettings,
  secrets: ['basic_auth.password', 'api_key'],
  environment: {
    POSTMARK_WEBHOOK_USERNAME: 'basic_auth.username',
    POSTMARK_WEBHOOK_PASSWORD: 'basic_auth.password',
    POSTMARK_API_KEY: 'api_key',
    POSTMARK_MESSAGE_STREAM: 'message_stream',
  },
  warnings: ({ api_key: key }) => (key === undefined ? [noKeyWarning] : []),
  source: 'mime',
};
