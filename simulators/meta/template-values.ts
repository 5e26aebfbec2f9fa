import type { Refusal } from './errors.ts';
import type { SimMedia } from './media-store.ts';
import type { TemplateBody, TemplateValue } from './whatsapp-sending.ts';
import type { SimAccount, SimTemplate } from './world.ts';

type FileOf = (id: string) => Pick<SimMedia, 'bytes' | 'contentType'> | undefined;
type Components = NonNullable<TemplateBody['components']>;

/** Why values can't be put into a template that there is; null where they can. @param fileOf what was uploaded for the number */
export function templateValueProblem(
  { templates }: Pick<SimAccount, 'templates'>,
  { name, language, components = [] }: TemplateBody,
  fileOf: FileOf,
): Refusal | null {
  for (const value of components.flatMap(({ parameters = [] }) => parameters)) {
    const problem = fileProblem(value, fileOf);
    if (problem) return problem;
  }
  const found = templates.find((one) => one.name === name && one.language === language.code);
  return found ? textProblem(found, components) : null;
}

const MEBIBYTE = 1024 * 1024;

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media */
const FILES: Readonly<Record<string, { types: RegExp; most: number }>> = {
  image: { types: /^image\/(jpeg|png)$/, most: 5 * MEBIBYTE },
  video: { types: /^video\/(mp4|3gpp?)$/, most: 16 * MEBIBYTE },
  document: {
    types: /^(text\/plain|application\/(pdf|msword|vnd\.(ms-|openxmlformats-officedocument\.).+))$/,
    most: 100 * MEBIBYTE,
  },
};

/** A file that is given by its link is looked at when it is fetched. */
function fileProblem(value: TemplateValue, fileOf: FileOf): Refusal | null {
  const { id } = (value[value.type] ?? {}) as { id?: string };
  const limits = FILES[value.type];
  if (id === undefined || !limits) return null;
  const file = fileOf(id);
  if (!file) return { code: 131053, details: `Media with id ${id} was not found for this number.` };
  if (!limits.types.test(file.contentType))
    return { code: 131053, details: `Unsupported ${value.type} mime type ${file.contentType}.` };
  return file.bytes.length > limits.most
    ? { code: 131053, details: `The ${value.type} is larger than ${limits.most} bytes.` }
    : null;
}

const MOST_HEADER = 60;
const MOST_BODY = 1024;
const MOST_BODY_ALONE = 32_768;

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes: 132005, 132018 */
function textProblem(template: SimTemplate, components: Components): Refusal | null {
  const texts = components.flatMap(({ type, parameters = [] }) =>
    parameters.flatMap(({ text }) =>
      typeof text === 'string' ? [{ part: type.toLowerCase(), text }] : [],
    ),
  );
  if (texts.some(({ text }) => /[\n\r\t]| {5}/.test(text)))
    return {
      code: 132018,
      details: 'Param text cannot have new-line/tab characters or more than 4 consecutive spaces',
    };
  const long = texts.some(({ part, text }) => part === 'header' && text.length > MOST_HEADER);
  const body = template.components.find(({ type }) => type === 'BODY')?.text ?? '';
  const fixed = body.replaceAll(/\{\{\s*\w+\s*\}\}/g, '').length;
  const filled = texts
    .filter(({ part }) => part === 'body')
    .reduce((length, { text }) => length + text.length, fixed);
  const most = template.components.length > 1 ? MOST_BODY : MOST_BODY_ALONE;
  return long || filled > most ? { code: 132005, details: 'Translated text is too long' } : null;
}
