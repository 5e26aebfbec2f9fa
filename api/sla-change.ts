import { z } from 'zod';
import type { ToldTicket } from '../db/queries/policy-changes.ts';
import type { PendingWork } from '../workflows/contracts/relay.ts';
import type { ApiDeps } from './deps.ts';
import { tellPolicyChange } from './policy-changes.ts';
import { invalid } from './problem.ts';
import { fieldErrors } from './validation.ts';

/** The body of a PATCH: top-level fields of the named schema; checked as a whole once they are merged. */
export function PatchOf(schemaId: string) {
  return z.record(z.string(), z.unknown()).meta({
    description: `Fields of ${schemaId}; each replaces the one before, those left out stay.`,
  });
}

/** @throws Problem 422 where the merged whole does not fit. */
export function patched<T extends z.ZodType>(
  schema: T,
  before: object,
  patch: Readonly<Record<string, unknown>>,
): z.output<T> {
  const merged = schema.safeParse({ ...before, ...patch });
  if (merged.success) return merged.data;
  throw invalid('The change does not fit; mend the fields named in errors.', [
    ...fieldErrors(merged.error.issues),
  ]);
}

/** Nobody waits for it: what can't be told now stays in the outbox for the drain. */
export function tellTickets(
  deps: ApiDeps,
  { pending, tickets }: { pending: PendingWork; tickets: readonly ToldTicket[] },
): void {
  if (tickets.length === 0) return;
  tellPolicyChange(deps, pending, tickets).catch((error: unknown) =>
    deps.log.error({ err: error }, 'tickets could not be told of a policy change yet'),
  );
}
