import type { Interactive } from '../../domain/chat.ts';
import type { OutgoingMessage } from '../contract.ts';
import type { UploadedFile } from './files.ts';
import { templatePart } from './templates.ts';
import { refusal } from './policy.ts';
import { unfit } from './unfit.ts';

/** What Messenger takes for a message of its own: a text, or a file. */
export type Part = object;

/** @throws ProviderFailure where Messenger wouldn't take it */
export function refuseUnfit({ text, attachments, chat }: OutgoingMessage): void {
  const problem = unfit({
    text,
    attachments: attachments.length,
    interactive: chat?.interactive ?? null,
    hasTemplate: chat?.template != null,
  });
  if (problem !== null) throw refusal('unfit', problem);
}

/**
 * The messages that an answer is sent as: a template by itself; else the text, then each file; where there is something to choose, the text comes
 * last, because choices vanish with the next message.
 */
export function partsOf({ text, chat }: OutgoingMessage, files: readonly UploadedFile[]): Part[] {
  if (chat?.template) return [templatePart(chat.template)];
  const interactive = chat?.interactive ?? null;
  const words = text.trim();
  const texts = words === '' ? [] : [textPart(words, interactive)];
  const attached = files.map(({ type, attachmentId }) => ({
    attachment: { type, payload: { attachment_id: attachmentId } },
  }));
  return interactive ? [...attached, ...texts] : [...texts, ...attached];
}

function textPart(text: string, interactive: Interactive | null): Part {
  if (interactive?.type === 'quick_replies') {
    const replies = interactive.replies.map(({ id, title }) => ({
      content_type: 'text',
      title,
      payload: id,
    }));
    return { text, quick_replies: replies };
  }
  if (interactive?.type === 'buttons') {
    const buttons = interactive.buttons.map(({ id, title }) => ({
      type: 'postback',
      title,
      payload: id,
    }));
    const payload = { template_type: 'button', text, buttons };
    return { attachment: { type: 'template', payload } };
  }
  return { text };
}
