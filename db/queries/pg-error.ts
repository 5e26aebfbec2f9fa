/** The name of the constraint that a statement broke, or null for any other error (Postgres classes 23505, 23503). */
export function brokenConstraint(error: unknown, kind: 'unique' | 'foreign_key'): string | null {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown }; // any thrown value
  const wanted = kind === 'unique' ? '23505' : '23503';
  return code === wanted && typeof constraint === 'string' ? constraint : null;
}

const GONE =
  /timeout exceeded when trying to connect|Connection terminated|is not queryable|after calling end on the pool|driver has already been destroyed/;

/** The connection, or its pool, is gone: pg and Kysely say so without a code. */
export function isConnectionGone(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }; // any thrown value
  return typeof code !== 'string' && typeof message === 'string' && GONE.test(message);
}
