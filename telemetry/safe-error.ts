/** What a log line shows of an error. */
export interface SafeError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  /** Postgres: where it happened, instead of the values it happened with. */
  readonly table?: string;
  readonly constraint?: string;
  readonly column?: string;
  readonly routine?: string;
  /** Frames alone: the first line of a stack repeats the message. */
  readonly stack?: string;
  readonly cause?: SafeError | string;
}

const DEEPEST = 5;

/**
 * An error without what it was about: its own fields can hold a row (pg's `detail`, `where`), a server's answer
 * (nodemailer's `response`, `rejected`) or a request. A database's message quotes values, which are cut.
 */
export function withoutPersons(error: unknown): SafeError | string {
  return shown(error, 0);
}

function shown(error: unknown, depth: number): SafeError | string {
  if (!(error instanceof Error))
    return typeof error === 'string' ? error : `thrown: ${typeof error}`;
  const { name, stack, cause } = error;
  // Known by name on pg's, node's and nodemailer's errors.
  const known = error as unknown as Readonly<Record<string, unknown>>;
  const isPostgres = typeof known.severity === 'string' && typeof known.routine === 'string';
  return {
    type: name,
    message: messageOf(error, isPostgres, known),
    ...(typeof known.code === 'string' ? { code: known.code } : {}),
    ...(isPostgres ? texts(known, ['table', 'constraint', 'column', 'routine']) : {}),
    ...(stack === undefined ? {} : { stack: framesOf(stack) }),
    ...(cause === undefined || depth >= DEEPEST ? {} : { cause: shown(cause, depth + 1) }),
  };
}

function messageOf(
  { name, message }: Error,
  isPostgres: boolean,
  { responseCode, response, type, code }: Readonly<Record<string, unknown>>,
): string {
  // A provider's failure, and as Temporal is told it: for an admin's eyes, and may quote the other side.
  if (name === 'ProviderFailure' || name === 'ApplicationFailure')
    return `A provider or activity failed: ${[type, code].find((text) => typeof text === 'string') ?? 'no code'}.`;
  if (isPostgres) return message.replaceAll(/"[^"]*"/g, '"…"');
  // nodemailer's: the server's own words, which can quote the mail.
  if (typeof responseCode === 'number' && typeof response === 'string')
    return `The server answered ${responseCode}.`;
  return message;
}

function texts(
  fields: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = fields[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 12)
    .map((line) => line.trim())
    .join('\n');
}
