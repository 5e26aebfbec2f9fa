import type { ChosenTemplate } from '../../domain/message-template.ts';
import type { UploadedFile } from './files.ts';

interface Value {
  readonly key: string;
  readonly value: string;
}

/**
 * A template with its values, as WhatsApp wants them
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/overview).
 * @param file what its header shows
 */
export function templateBody(
  { name, language, values }: ChosenTemplate,
  file: UploadedFile | undefined,
): object {
  const places = Object.entries(values).map(([place, value]) => ({
    path: place.split('.'),
    value,
  }));
  const at = (part: string): Value[] =>
    places
      .filter(({ path }) => path[0] === part)
      .map(({ path, value }) => ({ key: path.at(-1)!, value }))
      .sort((a, b) => Number(a.key) - Number(b.key) || 0);
  const buttons = Map.groupBy(
    places.filter(({ path }) => path[0] === 'button'),
    ({ path }) => path[1]!,
  );
  const header = file
    ? [{ type: file.kind, [file.kind]: headerFile(file) }]
    : at('header').map(textParameter);
  const body = at('body').map(textParameter);
  const components = [
    ...(header.length > 0 ? [{ type: 'header', parameters: header }] : []),
    ...(body.length > 0 ? [{ type: 'body', parameters: body }] : []),
    ...[...buttons].map(([index, given]) =>
      buttonComponent(
        index,
        given.map(({ path, value }) => ({ key: path.at(-1)!, value })),
      ),
    ),
  ];
  return {
    name,
    language: { policy: 'deterministic', code: language },
    ...(components.length > 0 && { components }),
  };
}

function headerFile({ kind, id, filename }: UploadedFile): object {
  return { id, ...(kind === 'document' && { filename }) };
}

/** A place has a number, or a name that goes along. */
function textParameter({ key, value }: Value): object {
  return {
    type: 'text',
    ...(/^\d+$/.test(key) ? {} : { parameter_name: key }),
    text: value,
  };
}

/** What is put into a link, a code to be copied, or what comes back when the button is pressed. */
function buttonComponent(index: string, given: readonly Value[]): object {
  const [{ key, value }] = given as readonly [Value]; // grouped from at least one
  const [subType, parameter] =
    key === 'payload'
      ? ['quick_reply', { type: 'payload', payload: value }]
      : key === 'code'
        ? ['copy_code', { type: 'coupon_code', coupon_code: value }]
        : ['url', { type: 'text', text: value }];
  return { type: 'button', sub_type: subType, index, parameters: [parameter] };
}
