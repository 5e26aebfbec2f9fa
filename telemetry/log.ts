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
      hooks: { streamWrite: (line) => line.replaceAll(ADDRESS, '[address]') },
      redact: { paths: FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[cut]' },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  );
}

/** A domain has a dot and ends in letters: `7@mailboxes` and `pino@10.4.0` are none. */
const ADDRESS = /[\p{L}\p{N}.!#$%&'*+=?^_`|~-]+@[\p{L}\p{N}.-]+\.\p{L}{2,}/gu;

const FIELDS = [
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
];
