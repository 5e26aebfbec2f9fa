import { Environment } from '../config/schema.ts';

/** `npm start -- --help`, from the one schema of the environment. */
export const HELP = `npm start: the whole product in the foreground, on embedded parts where none are configured.
Ctrl-C ends it; its state is kept.

  -- --help   this text

Settings, by environment or in a file .env:

${Object.entries(Environment.shape)
  .map(([name, schema]) => `  ${name}\n      ${schema.description ?? ''}${defaultOf(schema)}`)
  .join('\n')}
`;

function defaultOf(schema: { safeParse(value: undefined): { success: boolean; data?: unknown } }) {
  const { success, data } = schema.safeParse(undefined);
  if (!success || (typeof data !== 'number' && typeof data !== 'string') || data === '') return '';
  return ` Default: ${data}.`;
}
