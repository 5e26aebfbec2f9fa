import type { Interactive } from '../../domain/chat.ts';
import type { OutgoingMessage } from '../contract.ts';
import { refusal } from './policy.ts';
import type { UploadedFile } from './files.ts';

/** https://developers.facebook.com/docs/messenger-platform/reference/send-api */
export const MOST_CHARACTERS = 2000;
const MOST_BESIDE_BUTTONS = 640;
const MOST_QUICK_REPLIES = 13;
const MOST_BUTTONS = 3;
const MOST_TITLE = 20;

/** What Messenger takes for a message of its own: a text, or a file. */
export type Part = Readonly<Record<string, unknown>>;

/**
 * The messages that an answer is sent as: the text, then each file; where there is something to choose, the text comes
 * last, because choices vanish with the next message. @throws ProviderFailure where Messenger takes no such thing
 */
export function partsOf(message: OutgoingMessage, files: readonly UploadedFile[]): Part[] {
  const interactive = message.chat?.interactive ?? null;
  const text = message.text.trim();
  if (message.chat?.template)
    throw refusal('no_templates', 'Messenger sends no templates; write the text.');
  const texts = text === '' ? [] : [textPart(text, interactive)];
  const attached = files.map(({ type, attachmentId }) => ({
    attachment: { type, payload: { attachment_id: attachmentId } },
  }));
  if (interactive && texts.length === 0)
    throw refusal('text_missing', 'What offers choices needs a text above them.');
  const parts = interactive ? [...attached, ...texts] : [...texts, ...attached];
  if (parts.length === 0) throw refusal('nothing_written', 'There is neither text nor file.');
  return parts;
}

function textPart(text: string, interactive: Interactive | null): Part {
  const most = interactive?.type === 'buttons' ? MOST_BESIDE_BUTTONS : MOST_CHARACTERS;
  const length = Array.from(text).length;
  if (length > most)
    throw refusal(
      'text_too_long',
      `The text has ${length} characters; Messenger takes ${most}${most === MOST_CHARACTERS ? '' : ' beside buttons'}.`,
    );
  if (!interactive) return { text };
  switch (interactive.type) {
    case 'quick_replies': {
      const replies = checked(interactive.replies, MOST_QUICK_REPLIES, 'quick replies');
      return {
        text,
        quick_replies: replies.map(({ id, title }) => ({
          content_type: 'text',
          title,
          payload: id,
        })),
      };
    }
    case 'buttons': {
      const buttons = checked(interactive.buttons, MOST_BUTTONS, 'buttons').map(
        ({ id, title }) => ({ type: 'postback', title, payload: id }),
      );
      return {
        attachment: { type: 'template', payload: { template_type: 'button', text, buttons } },
      };
    }
    case 'list':
      throw refusal('no_lists', 'Messenger shows no lists; offer quick replies or buttons.');
  }
}

interface Choice {
  readonly id: string;
  readonly title: string;
}

function checked(choices: readonly Choice[], most: number, what: string): readonly Choice[] {
  if (choices.length === 0 || choices.length > most)
    throw refusal(
      'too_many_choices',
      `Messenger takes 1 to ${most} ${what}; these are ${choices.length}.`,
    );
  const long = choices.find(({ title }) => Array.from(title).length > MOST_TITLE);
  if (long)
    throw refusal(
      'title_too_long',
      `"${long.title}" is longer than the ${MOST_TITLE} characters that Messenger takes of ${what}.`,
    );
  return choices;
}
