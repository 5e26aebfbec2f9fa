/**
 * A copy whose strings any database holds: without NUL, which Postgres text refuses, and without
 * halves of surrogate pairs, which its jsonb refuses. Buffers, numbers and dates are left as they are.
 */
export function storable<T>(value: T): T {
  return clean(value) as T; // same shape: only characters within strings differ
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') {
    return value.includes('\0') ? value.replaceAll('\0', '').toWellFormed() : value.toWellFormed();
  }
  if (Array.isArray(value)) return value.map(clean);
  if (value === null || typeof value !== 'object') return value;
  if (Buffer.isBuffer(value) || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, clean(entry)]));
}
