import { randomUUID } from 'node:crypto';
import type { SimAttachment, SimMessage } from './state.ts';

/** A draft as it goes out: its MIME, with what was attached to it later. */
export function outgoingMime({ mime, internetMessageId, attachments }: SimMessage): Buffer {
  const text = mime
    .toString('latin1')
    .replace(/^(message-id:[ \t]*)<[^>]*>/im, (_all, name: string) => name + internetMessageId);
  if (attachments.length === 0) return Buffer.from(text, 'latin1');
  const end = text.indexOf('\r\n\r\n');
  const { content, other } = splitHead(text.slice(0, end));
  const boundary = `simulated-${randomUUID()}`;
  const parts = [`${content}\r\n\r\n${text.slice(end + 4)}`, ...attachments.map(attachmentPart)];
  return Buffer.from(
    `${other}\r\nContent-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n` +
      parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('') +
      `--${boundary}--\r\n`,
    'latin1',
  );
}

function splitHead(head: string): { content: string; other: string } {
  const fields = head.split(/\r\n(?![ \t])/);
  const isContent = (field: string) => /^content-/i.test(field);
  return {
    content: fields.filter(isContent).join('\r\n'),
    other: fields.filter((field) => !isContent(field)).join('\r\n'),
  };
}

function attachmentPart({
  name,
  contentType,
  content,
  isInline,
  contentId,
}: SimAttachment): string {
  const filename = `=?UTF-8?B?${Buffer.from(name).toString('base64')}?=`;
  return [
    `Content-Type: ${contentType}; name="${filename}"`,
    `Content-Disposition: ${isInline ? 'inline' : 'attachment'}; filename="${filename}"`,
    ...(contentId === null ? [] : [`Content-ID: <${contentId}>`]),
    'Content-Transfer-Encoding: base64',
    '',
    content.toString('base64').replace(/(.{76})/g, '$1\r\n'),
  ].join('\r\n');
}
