import type { Interactive } from '../../domain/chat.ts';

// What Messenger takes (https://developers.facebook.com/docs/messenger-platform/reference/send-api).

export const limits = {
  text: 2000,
  attachments: 10,
  interactive: ['quick_replies', 'buttons'],
} as const;

const MOST_BESIDE_BUTTONS = 640;
const MOST_QUICK_REPLIES = 13;
const MOST_BUTTONS = 3;
const MOST_TITLE = 20;

interface Answer {
  readonly text: string;
  readonly attachments: number;
  readonly interactive: Interactive | null;
  readonly hasTemplate: boolean;
}

/** Why it wouldn't be taken, in plain words; null where it would. */
export function unfit({ text, attachments, interactive, hasTemplate }: Answer): string | null {
  if (hasTemplate) return null;
  const words = text.trim();
  if (words === '' && interactive) return 'What offers choices needs a text above them.';
  if (words === '' && attachments === 0) return 'There is neither text nor file.';
  const isBesideButtons = interactive?.type === 'buttons';
  const most = isBesideButtons ? MOST_BESIDE_BUTTONS : limits.text;
  const length = Array.from(words).length;
  if (length > most)
    return `The text has ${length} characters; Messenger takes ${most}${isBesideButtons ? ' beside buttons' : ''}.`;
  return interactive && unfitChoices(interactive);
}

function unfitChoices(interactive: Interactive): string | null {
  switch (interactive.type) {
    case 'quick_replies':
      return unfitTitles(interactive.replies, MOST_QUICK_REPLIES, 'quick replies');
    case 'buttons':
      return unfitTitles(interactive.buttons, MOST_BUTTONS, 'buttons');
    case 'list':
      return 'Messenger shows no lists; offer quick replies or buttons.';
  }
}

function unfitTitles(
  choices: readonly { readonly title: string }[],
  most: number,
  what: string,
): string | null {
  if (choices.length === 0 || choices.length > most)
    return `Messenger takes 1 to ${most} ${what}; these are ${choices.length}.`;
  const long = choices.find(({ title }) => Array.from(title).length > MOST_TITLE);
  return long
    ? `"${long.title}" is longer than the ${MOST_TITLE} characters that Messenger takes of ${what}.`
    : null;
}
