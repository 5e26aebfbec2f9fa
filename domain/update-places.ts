import { UPDATE_FACTS, type UpdateMessage } from './ticket-updates.ts';

/** Something that can't be right, whatever templates the account has. */
export interface WrongPlace {
  /** JSON pointer below `template_messages`. */
  readonly pointer: string;
  readonly message: string;
}

/** Facts that don't exist, and keys of values that are no place of any template. */
export function wrongPlaces(
  messages: Readonly<Record<string, UpdateMessage | null | undefined>>,
): WrongPlace[] {
  return Object.entries(messages).flatMap(([update, message]) => {
    if (message == null || typeof message === 'string') return [];
    const { text = '', values = {} } = message;
    return [
      ...unknownFacts(`/${update}/text`, text),
      ...Object.entries(values).flatMap(([key, value]) => {
        const pointer = `/${update}/values/${escaped(key)}`;
        return [...wrongKey(pointer, key), ...unknownFacts(pointer, value)];
      }),
    ];
  });
}

function unknownFacts(pointer: string, written: string): WrongPlace[] {
  const names = [...written.matchAll(/\{\{([^{}]*)\}\}/g)].map(([, inside]) =>
    inside!.split('|')[0]!.trim(),
  );
  return [...new Set(names)]
    .filter((name) => !(UPDATE_FACTS as readonly string[]).includes(name))
    .map((name) => ({
      pointer,
      message: `There is no {{${name}}}; there are ${UPDATE_FACTS.map((fact) => `{{${fact}}}`).join(', ')}.`,
    }));
}

function wrongKey(pointer: string, key: string): WrongPlace[] {
  return /^(\w+|(header|body)\.\w+|button\.\d+\.\w+)$/.test(key)
    ? []
    : [
        {
          pointer,
          message: `"${key}" is no place of a template; places read body.1, header.1 or button.0.1, or 1 for body.1.`,
        },
      ];
}

/** RFC 6901 §3. */
function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
