import busboy from 'busboy';
import type { Request } from 'express';
import { rawBody } from '../server.ts';
import type { SimMedia } from './media-store.ts';

export type UploadedFile = Pick<SimMedia, 'bytes' | 'contentType' | 'filename'>;

/** A `multipart/form-data` body: its fields, and its file where it has one. */
export function formOf(
  request: Request,
): Promise<{ fields: Record<string, string>; file: UploadedFile | null }> {
  return new Promise((resolve, reject) => {
    const fields: Record<string, string> = {};
    let file: UploadedFile | null = null;
    const form = busboy({ headers: request.headers });
    form.on('field', (name, value) => (fields[name] = value));
    form.on('file', (_name, stream, { filename, mimeType }) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        file = { bytes: Buffer.concat(chunks), contentType: mimeType, filename: filename ?? null };
      });
    });
    form.on('error', reject);
    form.on('close', () => resolve({ fields, file }));
    form.end(rawBody(request));
  });
}
