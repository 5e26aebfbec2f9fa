import type { FieldError } from './problem.ts';

/** By the code of a refusal the fields it may be about; the first one that was given is. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  interactive_not_supported: ['interactive'],
  no_cc: ['cc'],
  no_channel: ['account_id', 'channel'],
  not_taken: ['interactive', 'attachments', 'text', 'html'],
  nothing_written: ['text'],
  one_recipient: ['to'],
  template_alone: ['interactive', 'attachments', 'text', 'html'],
  template_file: ['template/values'],
  template_language_missing: ['template/language', 'template'],
  template_not_approved: ['template/name', 'template'],
  template_not_supported: ['template'],
  template_values: ['template/values', 'template'],
  text_too_long: ['text', 'html'],
  too_many_attachments: ['attachments'],
  unknown_attachment: ['attachments', 'template/values'],
  unknown_message: ['in_reply_to'],
  unknown_tag: ['tag'],
  unknown_template: ['template/name', 'template'],
};

/** Where in what was written the cause of a refusal is; undefined where it is in nothing that was written. */
export function refusedField(
  { code, detail }: { readonly code: string; readonly detail: string },
  payload: object,
): readonly FieldError[] | undefined {
  const field = FIELDS[code]?.find((path) => isGiven(payload, path.split('/')));
  return field === undefined ? undefined : [{ pointer: `/${field}`, message: detail }];
}

function isGiven(payload: object, [first, ...rest]: readonly string[]): boolean {
  const given: unknown = (payload as Record<string, unknown>)[first!]; // looked into only
  if (given === undefined || given === null || given === '') return false;
  if (rest.length === 0) return !Array.isArray(given) || given.length > 0;
  return typeof given === 'object' && isGiven(given, rest);
}
