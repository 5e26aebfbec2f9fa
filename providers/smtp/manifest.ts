import { z } from 'zod';
import type { ProviderManifest } from '../contract.ts';
import {
  clockworkFields,
  outgoingEnvironment,
  outgoingFields,
  outgoingWarnings,
} from '../mail-settings.ts';

export const SmtpSettings = z
  .strictObject({ ...outgoingFields, ...clockworkFields })
  .meta({ id: 'SmtpSettings' });
export type SmtpSettings = z.infer<typeof SmtpSettings>;

/** Mail that comes in by our own SMTP door, under the channel's address and its aliases. */
export const manifest: ProviderManifest<SmtpSettings> = {
  name: 'smtp',
  title: 'Local mail door (SMTP)',
  settings: SmtpSettings,
  secrets: ['smtp.password'],
  environment: outgoingEnvironment('SMTP'),
  warnings: (settings) => outgoingWarnings(settings.smtp),
  source: 'mime',
};
