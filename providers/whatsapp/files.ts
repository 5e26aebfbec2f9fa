import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';
import type { OutgoingMessage } from '../contract.ts';

export type FileKind = 'image' | 'video' | 'audio' | 'document';

const MEBIBYTE = 1024 * 1024;

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media */
const KINDS: readonly { kind: FileKind; types: RegExp; most: number }[] = [
  { kind: 'image', types: /^image\/(jpeg|png)$/, most: 5 * MEBIBYTE },
  { kind: 'video', types: /^video\/(mp4|3gpp?)$/, most: 16 * MEBIBYTE },
  { kind: 'audio', types: /^audio\/(aac|amr|mpeg|mp4|ogg)$/, most: 16 * MEBIBYTE },
  { kind: 'document', types: /./, most: 100 * MEBIBYTE },
];

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
  const fitting = KINDS.find(
    ({ kind, types, most }) => types.test(type) && size <= most && !(kind === 'audio' && hasWords),
  );
  if (fitting) return fitting.kind;
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
