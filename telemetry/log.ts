import { pino, type Logger } from 'pino';

export type { Logger };

/** One structured logger per process; fields that could hold a secret or a person are cut out. */
export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: [
          '*.password',
          '*.token',
          '*.authorization',
          '*.secret',
          '*.api_key',
          'req.headers',
          '*.from',
          '*.to',
        ],
        censor: '[cut]',
      },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  );
}
