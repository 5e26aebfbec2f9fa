import { assertNever } from '../../domain/assert-never.ts';
import type { Interactive } from '../../domain/chat.ts';

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/interactive-reply-buttons-messages */
const BUTTONS = 3;
const BUTTON_TITLE = 20;
const BUTTON_ID = 256;
/** Of the text above them. */
const BUTTONS_BODY = 1024;
/** https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/interactive-list-messages */
const SECTIONS = 10;
const ROWS = 10;
const ROW_TITLE = 24;
const ROW_ID = 200;
const ROW_DESCRIPTION = 72;
const SECTION_TITLE = 24;
const LIST_BODY = 4096;

/** Why WhatsApp wouldn't take this choice, in plain words; null where it would. */
export function interactiveProblem(interactive: Interactive, text: string): string | null {
  if (text === '') return 'A choice wants a text above it.';
  switch (interactive.type) {
    case 'buttons':
      return (
        bodyProblem('buttons', text, BUTTONS_BODY) ??
        countProblem('buttons', interactive.buttons, BUTTONS) ??
        eachProblem('button', interactive.buttons, BUTTON_TITLE, BUTTON_ID)
      );
    case 'list': {
      const { sections, button } = interactive;
      const rows = sections.flatMap((section) => section.rows);
      if (button === '' || longer(button, BUTTON_TITLE))
        return `What opens the list may have ${BUTTON_TITLE} characters, and not none.`;
      if (sections.length > 1 && sections.some(({ title }) => title === ''))
        return 'Of several sections each wants a title.';
      if (sections.some(({ title }) => longer(title, SECTION_TITLE)))
        return `A section’s title may have ${SECTION_TITLE} characters.`;
      if (rows.some(({ description = '' }) => longer(description, ROW_DESCRIPTION)))
        return `A row’s description may have ${ROW_DESCRIPTION} characters.`;
      return (
        bodyProblem('a list', text, LIST_BODY) ??
        countProblem('sections', sections, SECTIONS) ??
        countProblem('rows in all', rows, ROWS) ??
        eachProblem('row', rows, ROW_TITLE, ROW_ID)
      );
    }
    case 'quick_replies':
      return 'WhatsApp has no quick replies: use "buttons", or a "list".';
    default:
      return assertNever(interactive);
  }
}

/** @param header the file shown above the text */
export function interactiveBody(interactive: Interactive, text: string, header?: object): object {
  const frame = { ...(header && { header }), body: { text } };
  switch (interactive.type) {
    case 'buttons':
      return {
        type: 'button',
        ...frame,
        action: {
          buttons: interactive.buttons.map(({ id, title }) => ({
            type: 'reply',
            reply: { id, title },
          })),
        },
      };
    case 'list':
      return {
        type: 'list',
        ...frame,
        action: {
          button: interactive.button,
          sections: interactive.sections.map(({ title, rows }) => ({
            ...(title !== '' && { title }),
            rows: rows.map(({ id, title: name, description }) => ({
              id,
              title: name,
              ...(description !== undefined && { description }),
            })),
          })),
        },
      };
    case 'quick_replies':
      throw new Error('interactiveProblem refuses quick replies');
    default:
      return assertNever(interactive);
  }
}

function bodyProblem(what: string, text: string, most: number): string | null {
  return longer(text, most) ? `The text above ${what} may have ${most} characters.` : null;
}

function countProblem(what: string, all: readonly unknown[], most: number): string | null {
  return all.length >= 1 && all.length <= most
    ? null
    : `WhatsApp takes one to ${most} ${what}; these are ${all.length}.`;
}

function eachProblem(
  what: string,
  all: readonly { readonly id: string; readonly title: string }[],
  mostTitle: number,
  mostId: number,
): string | null {
  if (all.some(({ title }) => title === '' || longer(title, mostTitle)))
    return `A ${what}’s title may have ${mostTitle} characters, and not none.`;
  if (all.some(({ id }) => id.trim() !== id || id === '' || longer(id, mostId)))
    return `A ${what}’s id may have ${mostId} characters, not none, and no space around it.`;
  for (const key of ['id', 'title'] as const)
    if (
      new Set(all.map((one) => one[key])).size < all.length &&
      (key === 'id' || what === 'button')
    )
      return `Two ${what}s have the same ${key}.`;
  return null;
}

function longer(text: string, most: number): boolean {
  return Array.from(text).length > most;
}
