import { z } from 'zod';
import type { ProviderManifest } from '../contract.ts';
import {
  clockworkFields,
  outgoingEnvironment,
  outgoingFields,
  outgoingWarnings,
} from '../mail-settings.ts';

export const MimeSettings = z
  .strictObject({ ...outgoingFields, ...clockworkFields })
  .meta({ id: 'MimeSettings' });
export type MimeSettings = z.infer<typeof MimeSettings>;

/** Raw RFC 5322 mail that Postfix pipes, mail workers and scripts post to our HTTP door. */
export const manifest: ProviderManifest<MimeSettings> = {
  name: 'mime',
  title: 'Raw mail over HTTP',
  settings: MimeSettings,
  secrets: ['smtp.password'],
  environment: outgoingEnvironment('MIME_SMTP'),
  warnings: (settings) => outgoingWarnings(settings.smtp),
  source: 'mime',
};
