import type { Refusal } from './chat-answer.ts';
import {
  placeOf,
  type ChosenTemplate,
  type HeaderFile,
  type MessageTemplate,
  type TemplateLimits,
} from './message-template.ts';
import { filledPart, isFile, valueProblem } from './template-values.ts';

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
  readonly header: {
    readonly key: string;
    readonly kind: HeaderFile;
    readonly attachmentId: string;
  } | null;
}

/** Finds the template among all of its name, and checks the values against its places and the vendor's limits. */
export function chooseTemplate(
  wanted: WantedTemplate,
  sameName: readonly MessageTemplate[],
  limits: TemplateLimits = {},
): Chosen | Refusal {
  const found = inLanguage(wanted, sameName);
  if ('code' in found) return found;
  if (found.status !== 'approved') return notApproved(found);
  const values = byPlace(wanted.values ?? {});
  const wrong = valueProblem(found, values, limits);
  if (wrong) return wrong;
  const file = headerFile(found);
  const { name, language } = found;
  return {
    template: { name, language, values, ...(file && { header: file.kind }) },
    text: rendered(found, values),
    header: file && { ...file, attachmentId: values[file.key]! },
  };
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

function rendered(
  { header, body, footer }: MessageTemplate,
  values: Readonly<Record<string, string>>,
): string {
  return [
    header === null ? '' : filledPart('header', header, values),
    filledPart('body', body, values),
    footer ?? '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headerFile({ parameters }: MessageTemplate) {
  for (const parameter of parameters)
    if (parameter.in === 'header' && isFile(parameter.kind))
      return { key: placeOf(parameter), kind: parameter.kind };
  return null;
}

function refusal(code: string, detail: string): Refusal {
  return { code, detail };
}
