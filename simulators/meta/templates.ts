import type { Refusal } from './errors.ts';
import { newNodeId } from './ids.ts';
import type { SimAccount, SimTemplate } from './world.ts';
import type { TemplateBody, TemplateValue } from './whatsapp-sending.ts';

/** As a new account has it, and one of each other kind. */
export const SAMPLE_TEMPLATES: readonly Omit<SimTemplate, 'id'>[] = [
  {
    name: 'hello_world',
    language: 'en_US',
    status: 'APPROVED',
    category: 'UTILITY',
    components: [
      { type: 'HEADER', format: 'TEXT', text: 'Hello World' },
      { type: 'BODY', text: 'Welcome and congratulations!! This is a test message.' },
      { type: 'FOOTER', text: 'WhatsApp Business Platform sample message' },
    ],
  },
  {
    name: 'ticket_update',
    language: 'en_US',
    status: 'APPROVED',
    category: 'UTILITY',
    parameter_format: 'POSITIONAL',
    components: [
      {
        type: 'BODY',
        text: 'Hello {{1}}, there is news on your request {{2}}.',
        example: { body_text: [['Ada', '#1042']] },
      },
    ],
  },
  {
    name: 'ticket_update',
    language: 'de',
    status: 'APPROVED',
    category: 'UTILITY',
    parameter_format: 'POSITIONAL',
    components: [
      {
        type: 'BODY',
        text: 'Hallo {{1}}, zu Ihrer Anfrage {{2}} gibt es Neues.',
        example: { body_text: [['Ada', '#1042']] },
      },
    ],
  },
  {
    name: 'order_shipped',
    language: 'en_US',
    status: 'APPROVED',
    category: 'UTILITY',
    parameter_format: 'NAMED',
    components: [
      {
        type: 'HEADER',
        format: 'IMAGE',
        example: { header_handle: ['https://example.com/box.png'] },
      },
      {
        type: 'BODY',
        text: '{{customer_name}}, your order {{order}} is on its way.',
        example: {
          body_text_named_params: [
            { param_name: 'customer_name', example: 'Ada' },
            { param_name: 'order', example: '7-1815' },
          ],
        },
      },
      {
        type: 'BUTTONS',
        buttons: [
          { type: 'URL', text: 'Track', url: 'https://example.com/track/{{1}}' },
          { type: 'QUICK_REPLY', text: 'Stop updates' },
        ],
      },
    ],
  },
  {
    name: 'spring_sale',
    language: 'en_US',
    status: 'REJECTED',
    category: 'MARKETING',
    rejected_reason: 'TAG_CONTENT_MISMATCH',
    components: [{ type: 'BODY', text: 'Everything must go.' }],
  },
  {
    name: 'survey',
    language: 'en_US',
    status: 'PENDING',
    category: 'MARKETING',
    components: [
      { type: 'BODY', text: 'How did we do, {{1}}?', example: { body_text: [['Ada']] } },
    ],
  },
];

export function addTemplate(
  account: Pick<SimAccount, 'templates'>,
  template: Omit<SimTemplate, 'id'>,
): SimTemplate {
  const added = { ...template, id: newNodeId(16) };
  account.templates.push(added);
  return added;
}

/** Why a template can't be sent so; null where it can. */
export function templateProblem(
  { templates }: Pick<SimAccount, 'templates'>,
  wanted: TemplateBody,
): Refusal | null {
  const { name, language, components = [] } = wanted;
  const found = templates.find((one) => one.name === name && one.language === language.code);
  if (!found || found.status === 'PENDING' || found.status === 'REJECTED')
    return { code: 132001, details: `template name (${name}) does not exist in ${language.code}` };
  if (found.status === 'PAUSED') return { code: 132015 };
  if (found.status === 'DISABLED') return { code: 132016 };
  for (const part of ['header', 'body'] as const) {
    const given = components.find(({ type }) => type.toLowerCase() === part)?.parameters ?? [];
    const problem = part === 'header' ? headerProblem(found, given) : bodyProblem(found, given);
    if (problem) return problem;
  }
  return buttonProblem(found, components);
}

type Given = readonly TemplateValue[];

function headerProblem(template: SimTemplate, given: Given): Refusal | null {
  const header = template.components.find(({ type }) => type === 'HEADER');
  if (!header || header.format === 'TEXT')
    return countProblem('header', placesIn(header?.text), given);
  const kind = header.format?.toLowerCase();
  if (given.length === 1 && given[0]!.type === kind) return null;
  return {
    code: 132012,
    details: `header: Format mismatch, expected ${header.format}, received ${given[0]?.type ?? 'UNKNOWN'}`,
  };
}

function bodyProblem(template: SimTemplate, given: Given): Refusal | null {
  const places = placesIn(template.components.find(({ type }) => type === 'BODY')?.text);
  const counted = countProblem('body', places, given);
  if (counted || template.parameter_format !== 'NAMED') return counted;
  const missing = places.find((place) => !given.some((one) => one.parameter_name === place));
  return missing === undefined
    ? null
    : {
        code: 100,
        message: 'Invalid parameter',
        details: `Parameter name is missing or empty: ${missing}`,
      };
}

function buttonProblem(
  template: SimTemplate,
  components: NonNullable<TemplateBody['components']>,
): Refusal | null {
  const buttons = template.components.find(({ type }) => type === 'BUTTONS')?.buttons ?? [];
  for (const [index, { type, url }] of buttons.entries()) {
    if (type !== 'URL' || placesIn(url).length === 0) continue;
    const given = components.find(
      (one) => one.type.toLowerCase() === 'button' && Number(one.index) === index,
    );
    if (given?.parameters?.length !== 1)
      return {
        code: 131008,
        details: `buttons: Button at index ${index} of type Url requires a parameter`,
      };
  }
  return null;
}

function countProblem(part: string, places: readonly string[], given: Given): Refusal | null {
  if (places.length === given.length) return null;
  return {
    code: 132000,
    details: `${part}: number of localizable_params (${given.length}) does not match the expected number of params (${places.length})`,
  };
}

function placesIn(text = ''): string[] {
  return [...new Set([...text.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, place]) => place!))];
}
