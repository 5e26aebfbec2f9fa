import type { Refusal } from './chat-answer.ts';
import {
  placeOf,
  type HeaderFile,
  type MessageTemplate,
  type TemplateLimits,
  type TemplateParameter,
} from './message-template.ts';

// Whether what is put into a template's places is what its vendor takes there.

type Values = Readonly<Record<string, string>>;

/** What is wrong with the values, in plain words; null where they may be sent. */
export function valueProblem(
  template: MessageTemplate,
  values: Values,
  limits: TemplateLimits = {},
): Refusal | null {
  const wrong =
    placeProblem(template, values) ??
    firstOf(template.parameters, (parameter) => textProblem(parameter, values, limits)) ??
    bodyProblem(template, values, limits);
  return wrong === null
    ? null
    : { code: 'template_values', detail: `"values" for template "${template.name}" ${wrong}` };
}

/** What is wrong with the file that a header is to show; null where it may be sent. */
export function fileProblem(
  kind: HeaderFile,
  { contentType, size }: { readonly contentType: string; readonly size: number },
  { files }: TemplateLimits = {},
): string | null {
  const limits = files?.[kind];
  if (!limits) return null;
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  if (!limits.types.includes(type))
    return `The template's header shows ${SHOWN[kind]} (${limits.types.join(', ')}), and this file is ${type}.`;
  if (size > limits.most)
    return `The template's header takes ${SHOWN[kind]} of up to ${inMebibytes(limits.most)} MiB, and this file has ${inMebibytes(size)} MiB.`;
  return null;
}

const SHOWN: Readonly<Record<HeaderFile, string>> = {
  image: 'a picture',
  video: 'a film',
  document: 'a document',
};

/** A template's part with its values in place. */
export function filledPart(part: 'header' | 'body', text: string, values: Values): string {
  return text.replaceAll(
    /\{\{\s*([\w.]+)\s*\}\}/g,
    (place, key: string) => values[`${part}.${key}`] ?? place,
  );
}

export function isFile(kind: TemplateParameter['kind']): kind is HeaderFile {
  return kind === 'image' || kind === 'video' || kind === 'document';
}

function placeProblem({ parameters }: MessageTemplate, values: Values): string | null {
  const places = parameters.map(placeOf);
  const missing = places.filter((place) => (values[place] ?? '').trim() === '');
  const unknown = Object.keys(values).filter((place) => !places.includes(place));
  if (missing.length === 0 && unknown.length === 0) return null;
  const problems = [
    missing.length > 0 && `give nothing for ${missing.join(', ')}`,
    unknown.length > 0 && `name unknown places ${unknown.join(', ')}`,
  ].filter(Boolean);
  const takes = places.length === 0 ? 'It takes no values' : `It takes ${places.join(', ')}`;
  return `${problems.join(' and ')}. ${takes}.`;
}

function textProblem(
  parameter: TemplateParameter,
  values: Values,
  limits: TemplateLimits,
): string | null {
  if (parameter.kind !== 'text') return null;
  const place = placeOf(parameter);
  const value = values[place]!; // none is missing any more
  const { spaces } = limits;
  if (spaces !== undefined && /[\n\r\t]/.test(value))
    return `have a line break or a tab in ${place}, which the vendor refuses in a template: write it in one line.`;
  if (spaces !== undefined && value.includes(' '.repeat(spaces + 1)))
    return `have more than ${spaces} spaces in a row in ${place}, which the vendor refuses in a template.`;
  const most = mostOf(parameter, limits);
  const length = lengthOf(value);
  return most !== undefined && length > most
    ? `give ${length} characters for ${place}; the vendor takes ${most} there.`
    : null;
}

/** A code that is copied has a length of its own, which isn't known. */
function mostOf({ in: part, key }: TemplateParameter, limits: TemplateLimits): number | undefined {
  if (part === 'body') return undefined;
  return part === 'header' ? limits.header : key === 'code' ? undefined : limits.link;
}

function bodyProblem(
  { body, header, footer, hasButtons = false, parameters }: MessageTemplate,
  values: Values,
  limits: TemplateLimits,
): string | null {
  if (!limits.body) return null;
  const isAlone =
    header === null &&
    footer === null &&
    !hasButtons &&
    parameters.every(({ in: part }) => part === 'body');
  const most = isAlone ? limits.body.alone : limits.body.most;
  const length = lengthOf(filledPart('body', body, values));
  return length > most
    ? `make its body ${length} characters long; the vendor takes ${most}.`
    : null;
}

function lengthOf(text: string): number {
  return Array.from(text).length;
}

function inMebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1).replace('.0', '');
}

function firstOf<T>(all: readonly T[], problem: (one: T) => string | null): string | null {
  for (const one of all) {
    const found = problem(one);
    if (found !== null) return found;
  }
  return null;
}
