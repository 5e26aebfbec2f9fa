import { z } from 'zod';
import type { ProviderManifest } from '../contract.ts';
import {
  clockworkFields,
  importSinceField,
  batchSizeField,
  outgoingEnvironment,
  outgoingFields,
  outgoingWarnings,
  serverWarnings,
} from '../mail-settings.ts';
import {
  checkLogin,
  loginEnvironment,
  loginFields,
  loginSecrets,
  mailboxServerFields,
  withPreset,
} from '../mail-login.ts';

export const Pop3Settings = z
  .strictObject({
    ...mailboxServerFields,
    ...loginFields,
    after: z
      .enum(['leave', 'delete'])
      .default('leave')
      .meta({ description: 'What is done with a mail on the server once it is stored here.' }),
    import_since: importSinceField,
    batch_size: batchSizeField,
    ...clockworkFields,
    ...outgoingFields,
  })
  .overwrite((settings) => withPreset('pop3', settings))
  .superRefine(checkLogin)
  .meta({ id: 'Pop3Settings' });
export type Pop3Settings = z.infer<typeof Pop3Settings>;

export const manifest: ProviderManifest<Pop3Settings> = {
  name: 'pop3',
  title: 'POP3 mailbox',
  settings: Pop3Settings,
  secrets: loginSecrets,
  environment: {
    POP3_HOST: 'host',
    POP3_PORT: 'port',
    POP3_SECURITY: 'security',
    POP3_USERNAME: 'username',
    POP3_PASSWORD: 'password',
    POP3_AFTER: 'after',
    POP3_IMPORT_SINCE: 'import_since',
    POP3_POLL_SECONDS: 'poll_seconds',
    ...loginEnvironment('POP3'),
    ...outgoingEnvironment('POP3_SMTP'),
  },
  addressOf: ({ username }) => (username.includes('@') ? username : null),
  warnings: (settings) => [
    ...serverWarnings('The POP3 server', settings),
    ...outgoingWarnings(settings.smtp),
  ],
  source: 'mime',
};
