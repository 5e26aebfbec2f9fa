import { z } from 'zod';
import type { OutgoingMessage } from '../contract.ts';
import { asked, graphRequest, type MessengerCall } from './client.ts';
import { refusal } from './policy.ts';

type Attached = OutgoingMessage['attachments'][number];

/** https://developers.facebook.com/docs/messenger-platform/reference/attachment-upload-api */
const MOST_BYTES = 25 * 1024 * 1024;
const MOST_PICTURE_BYTES = 8 * 1024 * 1024;

export interface UploadedFile {
  readonly type: 'image' | 'audio' | 'video' | 'file';
  readonly attachmentId: string;
}

const Uploaded = z.object({ attachment_id: z.coerce.string().min(1) });

/**
 * Hands a file to Facebook, under whose id it is sent; uploaded twice, it is sent once all the same.
 * @throws ProviderFailure
 */
export async function upload(call: MessengerCall, file: Attached): Promise<UploadedFile> {
  if (file.size > MOST_BYTES)
    throw refusal(
      'file_too_large',
      `"${file.filename}" is larger than the 25 MB that Messenger takes.`,
    );
  const type = kindOf(file);
  const form = new FormData();
  form.append('message', JSON.stringify({ attachment: { type, payload: { is_reusable: true } } }));
  const bytes = new Uint8Array(await bytesOf(file));
  form.append('filedata', new Blob([bytes], { type: file.contentType }), file.filename);
  const path = `/${call.settings.page_id}/message_attachments`;
  const request = await graphRequest(call, 'POST', path, { form });
  const { attachment_id: attachmentId } = await asked(call, request, Uploaded);
  return { type, attachmentId };
}

const SHOWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

/** What isn't shown or played in a chat goes as a file. */
function kindOf({ contentType, size }: Attached): UploadedFile['type'] {
  const type = contentType.toLowerCase().split(';')[0]!.trim();
  if (SHOWN.has(type) && size <= MOST_PICTURE_BYTES) return 'image';
  if (type.startsWith('audio/')) return 'audio';
  return type.startsWith('video/') ? 'video' : 'file';
}

async function bytesOf({ content }: Attached): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content() as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
