/** The name of the constraint that a statement broke, or null for any other error (Postgres classes 23505, 23503). */
export function brokenConstraint(error: unknown, kind: 'unique' | 'foreign_key'): string | null {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown }; // any thrown value
  const wanted = kind === 'unique' ? '23505' : '23503';
  return code === wanted && typeof constraint === 'string' ? constraint : null;
}
