import type { MessageTemplate, TemplateParameter } from './message-template.ts';

/** A place for a value; for text where nothing else is said. */
export const place = (
  part: TemplateParameter['in'],
  key: string,
  more: Partial<TemplateParameter> = {},
): TemplateParameter => ({ in: part, key, kind: 'text', example: null, ...more });

/** An approved template with one place in its body, but for what is given. */
export const messageTemplate = (some: Partial<MessageTemplate> = {}): MessageTemplate => ({
  name: 'shipped',
  language: 'en_US',
  status: 'approved',
  category: 'UTILITY',
  header: null,
  body: 'Hello {{1}}.',
  footer: null,
  parameters: [place('body', '1')],
  reason: null,
  ...some,
});
