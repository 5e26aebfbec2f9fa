import { ProviderFailure } from '../domain/failure.ts';
import type { ValidationProblem, ValidationReport } from './contract.ts';

/**
 * Tries an API key by asking something that costs nothing; what the vendor's answer warns of is added.
 * @param pointer to the setting that holds the key
 */
export async function triedKey(
  warnings: readonly string[],
  pointer: string,
  trial: () => Promise<readonly string[]>,
): Promise<ValidationReport> {
  try {
    return { ok: true, problems: [], warnings: [...warnings, ...(await trial())] };
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    return { ok: false, problems: [problemOf(error, pointer)], warnings };
  }
}

function problemOf(
  { class: kind, code, message }: ProviderFailure,
  pointer: string,
): ValidationProblem {
  if (/\.(unreachable|host_not_allowed|timeout|connection_lost)$/.test(code))
    return { step: 'host', detail: message, pointer: '/settings/base_url' };
  if (kind === 'reauthenticate') return { step: 'login', detail: message, pointer };
  return { step: kind === 'give_up' ? 'permission' : 'host', detail: message };
}
