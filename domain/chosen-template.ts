import type { Refusal } from './chat-answer.ts';
import type { ChosenTemplate, MessageTemplate, TemplateParameter } from './message-template.ts';

/** A template as an answer names it, before it is looked up. */
export interface WantedTemplate {
  readonly name: string;
  /** Left out where the account has it in one language only. */
  readonly language?: string;
  /** By place, `body.1`; a key without a dot is a place of the body. */
  readonly values?: Readonly<Record<string, string>>;
}

export interface Chosen {
  readonly template: ChosenTemplate;
  /** As the customer will read it. */
  readonly text: string;
  /** The attachment that its header shows. */
  readonly header: { readonly key: string; readonly attachmentId: string } | null;
}

/** Finds the template among all of its name, and checks the values against its places. */
export function chooseTemplate(
  wanted: WantedTemplate,
  sameName: readonly MessageTemplate[],
): Chosen | Refusal {
  const found = inLanguage(wanted, sameName);
  if ('code' in found) return found;
  if (found.status !== 'approved') return notApproved(found);
  const values = byPlace(wanted.values ?? {});
  const wrong = valueProblem(found, values);
  if (wrong) return wrong;
  const file = found.parameters.find((parameter) => isFile(parameter) && parameter.in === 'header');
  const key = file && placeOf(file);
  return {
    template: { name: found.name, language: found.language, values },
    text: rendered(found, values),
    header: key === undefined ? null : { key, attachmentId: values[key]! },
  };
}

/** The key of a parameter's value: `body.1`, `button.0.1`. */
export function placeOf({ in: part, key, button }: TemplateParameter): string {
  return part === 'button' ? `button.${button ?? 0}.${key}` : `${part}.${key}`;
}

function inLanguage(
  { name, language }: WantedTemplate,
  sameName: readonly MessageTemplate[],
): MessageTemplate | Refusal {
  if (sameName.length === 0)
    return refusal(
      'unknown_template',
      `The account has no template "${name}". Where it was made a moment ago, sync first: POST /v1/channels/{id}/templates:sync.`,
    );
  const approved = sameName.filter(({ status }) => status === 'approved');
  const candidates = language === undefined && approved.length > 0 ? approved : sameName;
  const [first, ...others] =
    language === undefined
      ? candidates
      : candidates.filter((template) => template.language === language);
  const languages = sameName.map((template) => template.language).join(', ');
  if (!first)
    return refusal(
      'unknown_template',
      `Template "${name}" is there in ${languages}, not in "${language}".`,
    );
  if (others.length > 0)
    return refusal(
      'template_language_missing',
      `Template "${name}" is there in several languages; give "language": ${languages}.`,
    );
  return first;
}

function notApproved({ name, language, status, reason }: MessageTemplate): Refusal {
  const why = reason === null ? '' : ` The vendor says: ${reason}`;
  return refusal(
    'template_not_approved',
    `Template "${name}" (${language}) is ${status} and may not be sent.${why}`,
  );
}

function byPlace(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key.includes('.') ? key : `body.${key}`, value]),
  );
}

function valueProblem(
  { name, parameters }: MessageTemplate,
  values: Readonly<Record<string, string>>,
): Refusal | null {
  const places = parameters.map(placeOf);
  const missing = places.filter((place) => (values[place] ?? '').trim() === '');
  const unknown = Object.keys(values).filter((place) => !places.includes(place));
  if (missing.length === 0 && unknown.length === 0) return null;
  const problems = [
    missing.length > 0 && `give nothing for ${missing.join(', ')}`,
    unknown.length > 0 && `name unknown places ${unknown.join(', ')}`,
  ].filter(Boolean);
  const takes = places.length === 0 ? 'It takes no values' : `It takes ${places.join(', ')}`;
  return refusal(
    'template_values',
    `"values" for template "${name}" ${problems.join(' and ')}. ${takes}.`,
  );
}

function rendered(template: MessageTemplate, values: Readonly<Record<string, string>>): string {
  const filled = (part: 'header' | 'body', text: string) =>
    text.replaceAll(
      /\{\{\s*([\w.]+)\s*\}\}/g,
      (place, key: string) => values[`${part}.${key}`] ?? place,
    );
  return [
    template.header === null ? '' : filled('header', template.header),
    filled('body', template.body),
    template.footer ?? '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function isFile({ kind }: TemplateParameter): boolean {
  return kind === 'image' || kind === 'video' || kind === 'document';
}

function refusal(code: string, detail: string): Refusal {
  return { code, detail };
}
