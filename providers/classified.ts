import { ZodError } from 'zod';
import { ProviderFailure } from '../domain/failure.ts';
import { TargetRefused } from '../security/ssrf-guard.ts';

/** What an error says of itself, in the form of a provider's failure; null where it is none of those. */
export function classified(error: unknown): ProviderFailure | null {
  if (error instanceof ProviderFailure) return error;
  if (error instanceof TargetRefused)
    return new ProviderFailure(
      { code: 'target.refused', class: 'give_up', message: error.message },
      { cause: error },
    );
  if (error instanceof ZodError) {
    const fields = error.issues.map((issue) => issue.path.join('.')).join(', ');
    return new ProviderFailure(
      {
        code: 'settings.invalid',
        class: 'reauthenticate',
        message: `The channel's stored settings no longer fit its provider (${fields}); save them anew.`,
      },
      { cause: error },
    );
  }
  return null;
}
