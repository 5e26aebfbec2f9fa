import type { Interactive } from '../../domain/chat.ts';
import type { TemplateLimits } from '../../domain/message-template.ts';
import { HEADER_FILES } from './files.ts';
import { interactiveProblem } from './interactive.ts';

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/text-messages */
const TEXT = 4096;
/** Of the words below a file. */
const CAPTION = 1024;

export const limits = {
  text: TEXT,
  attachments: 1,
  interactive: ['buttons', 'list'],
} as const;

/**
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-phone-number/message-api
 * (a text parameter's length, by what else the template has) and
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/components (a link's length). What a
 * value may not hold is said by Meta's refusal 132018 alone: new lines, tabs, more than four spaces in a row.
 */
export const templateLimits: TemplateLimits = {
  header: 60,
  body: { most: 1024, alone: 32_768 },
  link: 2000,
  spaces: 4,
  files: HEADER_FILES,
};

/** What WhatsApp wouldn't take beside what `limits` say, in plain words; null where it would. */
export function unfit(answer: {
  readonly text: string;
  readonly attachments: number;
  readonly interactive: Interactive | null;
  readonly hasTemplate: boolean;
}): string | null {
  const { text, attachments, interactive, hasTemplate } = answer;
  if (hasTemplate) return null;
  if (interactive?.type === 'list' && attachments > 0)
    return 'WhatsApp shows no file above a list: send it by itself.';
  if (interactive) return interactiveProblem(interactive, text);
  if (attachments > 0 && Array.from(text).length > CAPTION)
    return `Below a file WhatsApp takes ${CAPTION} characters: send the text by itself.`;
  return null;
}
