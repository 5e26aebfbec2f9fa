import { z } from 'zod';

/** What an API key may do. `*` is everything; a `write` does not include its `read`. */
export const SCOPES = [
  '*',
  'tickets:read',
  'tickets:write',
  'messages:read',
  'contacts:read',
  'contacts:write',
  'events:read',
  'webhooks:read',
  'webhooks:write',
  'channels:read',
  'channels:admin',
  'settings:read',
  'settings:admin',
  'keys:admin',
] as const;

export const Scope = z.enum(SCOPES).meta({ id: 'Scope' });
export type Scope = z.infer<typeof Scope>;

export function isAllowed(granted: readonly string[], wanted: Scope): boolean {
  return granted.includes('*') || granted.includes(wanted);
}
