import { pino, type Logger } from 'pino';
import { withoutPersons } from './safe-error.ts';

export type { Logger };

/**
 * One structured logger per process. Three nets hold back what names a person: fields of known names are cut, errors
 * show what is known to be harmless (`err`), and an address anywhere in a line becomes `[address]`.
 */
export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: withoutPersons },
      formatters: { log: (fields) => withoutTexts(fields, 0) },
      hooks: { streamWrite: withoutAddresses },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  );
}

type Fields = Record<string, unknown>;

const DEEPEST = 4;

/** A copy is made only where something is cut: most lines have nothing. */
function withoutTexts(fields: Fields, depth: number): Fields {
  let copy: Fields | undefined;
  for (const name in fields) {
    const value = fields[name];
    const kept = CUT.has(name) ? '[cut]' : shown(value, depth);
    if (kept !== value) (copy ??= { ...fields })[name] = kept;
  }
  return copy ?? fields;
}

function shown(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth === DEEPEST) return '[deep]';
  if (!Array.isArray(value)) return withoutTexts(value as Fields, depth + 1);
  const hasObjects = value.some((item) => typeof item === 'object' && item !== null);
  return hasObjects ? value.map((item) => shown(item, depth + 1)) : value;
}

const CUT: ReadonlySet<string> = new Set([
  'password',
  'token',
  'authorization',
  'secret',
  'api_key',
  'headers',
  'from',
  'to',
  'cc',
  'bcc',
  'address',
  'subject',
  'text',
  'html',
  'content',
  'body',
]);

function withoutAddresses(line: string): string {
  return line.includes('@') ? line.replaceAll(ADDRESS, '[address]') : line;
}

/**
 * A domain has a dot and ends in letters: `7@mailboxes` and `pino@10.4.0` are none. It is looked for from the beginning
 * of a word alone, so that a long line takes no longer than its length.
 */
const LOCAL = String.raw`[\p{L}\p{N}.!#$%&'*+=?^_\u0060|~-]`;
const ADDRESS = new RegExp(String.raw`(?<!${LOCAL})${LOCAL}+@[\p{L}\p{N}.-]+\.\p{L}{2,}`, 'gu');
