import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';
import type { TemplateLimits } from '../../domain/message-template.ts';
import type { OutgoingMessage } from '../contract.ts';

export type FileKind = 'image' | 'video' | 'audio' | 'document';

const MEBIBYTE = 1024 * 1024;
const DOCUMENT_MOST = 100 * MEBIBYTE;

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media */
const KINDS = {
  image: { types: ['image/jpeg', 'image/png'], most: 5 * MEBIBYTE },
  video: { types: ['video/mp4', 'video/3gp', 'video/3gpp'], most: 16 * MEBIBYTE },
  audio: {
    types: ['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg'],
    most: 16 * MEBIBYTE,
  },
} as const;

/**
 * Of a template's header, whose kind was fixed when the template was approved. As a document only the types that Meta
 * names are taken there
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/document-messages).
 */
export const HEADER_FILES: NonNullable<TemplateLimits['files']> = {
  image: KINDS.image,
  video: KINDS.video,
  document: {
    types: [
      'application/pdf',
      'text/plain',
      'application/msword',
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      'application/vnd.ms-excel',
      'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
      'application/vnd.ms-powerpoint',
      'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    ],
    most: DOCUMENT_MOST,
  },
};

export interface UploadedFile {
  readonly kind: FileKind;
  readonly id: string;
  readonly filename: string;
}

type Attachment = OutgoingMessage['attachments'][number];

/**
 * As what a file is shown: a picture, a film or a sound where WhatsApp takes it as one, else a document. A sound has no
 * words below it, so that one with words goes as a document, too. @throws ProviderFailure where it is too large
 */
export function kindOf(
  { contentType, size }: Pick<Attachment, 'contentType' | 'size'>,
  hasWords: boolean,
): FileKind {
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  for (const kind of ['image', 'video', 'audio'] as const) {
    const { types, most } = KINDS[kind];
    const isOne = (types as readonly string[]).includes(type) && size <= most;
    if (isOne && !(kind === 'audio' && hasWords)) return kind;
  }
  if (size <= DOCUMENT_MOST) return 'document';
  throw new ProviderFailure({
    code: 'whatsapp.file_too_large',
    class: 'give_up',
    message: `WhatsApp takes files of up to 100 MiB; this one has ${Math.ceil(size / MEBIBYTE)}.`,
  });
}

const Uploaded = z.object({ id: z.string().min(1) });

/** `POST /{phone-number-id}/media`: it lies there for 30 days. @throws ProviderFailure */
export async function upload(
  call: WhatsAppCall,
  attachment: Attachment,
  kind: FileKind,
): Promise<UploadedFile> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of attachment.content() as AsyncIterable<Uint8Array<ArrayBuffer>>)
    chunks.push(chunk);
  call.heartbeat();
  const { contentType, filename } = attachment;
  const form = new FormData();
  form.append('messaging_product', 'whatsapp');
  form.append('type', contentType);
  form.append('file', new Blob(chunks, { type: contentType }), filename);
  const path = `/${call.settings.phone_number_id}/media`;
  const { id } = await asked(call, await graphRequest(call, 'POST', path, { form }), Uploaded);
  return { kind, id, filename };
}
