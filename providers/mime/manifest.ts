import { z } from 'zod';
import { DomainEntry } from '../../domain/rules/schema.ts';
import type { ProviderManifest } from '../contract.ts';
import {
  clockworkFields,
  outgoingEnvironment,
  outgoingFields,
  outgoingWarnings,
} from '../mail-settings.ts';

export const MimeSettings = z
  .strictObject({
    ...outgoingFields,
    ...clockworkFields,
    sender_domains: z.array(DomainEntry).max(1000).optional().meta({
      description:
        'At the real-time door, only mail from these domains is taken: `example.com`, `*.example.com`.',
    }),
    subject_keywords: z.array(z.string().trim().min(1).max(200)).max(200).optional().meta({
      description:
        'At the real-time door, only mail whose subject has one of these is taken; case is ignored.',
    }),
  })
  .meta({ id: 'MimeSettings' });
export type MimeSettings = z.infer<typeof MimeSettings>;

/** Mail that Postfix pipes, mail workers, scripts and mail platforms post to our HTTP doors, raw or parsed. */
export const manifest: ProviderManifest<MimeSettings> = {
  name: 'mime',
  title: 'Raw mail over HTTP',
  settings: MimeSettings,
  secrets: ['smtp.password'],
  environment: outgoingEnvironment('MIME_SMTP'),
  warnings: (settings) => outgoingWarnings(settings.smtp),
  source: 'mime',
};
