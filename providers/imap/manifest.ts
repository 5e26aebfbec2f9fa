import { z } from 'zod';
import type { ProviderManifest } from '../contract.ts';
import {
  batchSizeField,
  clockworkFields,
  FolderName,
  importSinceField,
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

export const ImapSettings = z
  .strictObject({
    ...mailboxServerFields,
    ...loginFields,
    folder: FolderName.or(z.array(FolderName).min(1).max(50))
      .default('INBOX')
      .meta({ description: 'Folder to read, or several.' }),
    after: z
      .enum(['leave', 'seen', 'move', 'delete'])
      .default('leave')
      .meta({ description: 'What is done with a mail once it is stored here.' }),
    move_to: FolderName.optional().meta({ description: 'Folder for `after: move`.' }),
    import_since: importSinceField,
    batch_size: batchSizeField,
    save_sent: z.boolean().default(true).meta({
      description:
        'Keep a copy of each answer in the Sent folder; false where the server keeps one by itself.',
    }),
    sent_folder: FolderName.optional().meta({
      description: 'The Sent folder, where the server does not mark one.',
    }),
    ...clockworkFields,
    ...outgoingFields,
  })
  .overwrite((settings) => withPreset('imap', settings))
  .superRefine(checkLogin)
  .refine((settings) => settings.after !== 'move' || settings.move_to !== undefined, {
    path: ['move_to'],
    error: '`after: move` wants a folder in move_to',
  })
  .refine((settings) => !foldersOf(settings).includes(settings.move_to ?? ''), {
    path: ['move_to'],
    error: 'wants a folder that is not itself read',
  })
  .meta({ id: 'ImapSettings' });
export type ImapSettings = z.infer<typeof ImapSettings>;

/** The folders read, each once. */
export function foldersOf(settings: { readonly folder: string | readonly string[] }): string[] {
  const named = typeof settings.folder === 'string' ? [settings.folder] : settings.folder;
  return [...new Set(named)];
}

export const manifest: ProviderManifest<ImapSettings> = {
  name: 'imap',
  title: 'IMAP mailbox',
  settings: ImapSettings,
  secrets: loginSecrets,
  environment: {
    IMAP_HOST: 'host',
    IMAP_PORT: 'port',
    IMAP_SECURITY: 'security',
    IMAP_USERNAME: 'username',
    IMAP_PASSWORD: 'password',
    IMAP_FOLDER: 'folder',
    IMAP_AFTER: 'after',
    IMAP_MOVE_TO: 'move_to',
    IMAP_IMPORT_SINCE: 'import_since',
    IMAP_POLL_SECONDS: 'poll_seconds',
    ...loginEnvironment('IMAP'),
    ...outgoingEnvironment('IMAP_SMTP'),
  },
  addressOf: ({ username }) => (username.includes('@') ? username : null),
  warnings: (settings) => [
    ...serverWarnings('The IMAP server', settings),
    ...outgoingWarnings(settings.smtp),
  ],
  source: 'mime',
};
