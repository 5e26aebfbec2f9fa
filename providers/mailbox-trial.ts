import { ProviderFailure } from '../domain/failure.ts';
import { connectionPlaces, type Places } from './connect.ts';
import type {
  ProviderCall,
  ProviderManifest,
  ValidationProblem,
  ValidationReport,
} from './contract.ts';
import { oauthProblem } from './mail-oauth.ts';
import { validateOutgoing } from './submission-trial.ts';
import type { WithOutgoing } from './submission.ts';

/**
 * Tries a mailbox by `trial`, which does what a sync will do, and the outgoing server beside it.
 * @param further places of failures that only this protocol knows, by their code without the provider's name
 */
export async function validateMailbox<S extends WithOutgoing>(
  call: ProviderCall<S>,
  manifest: ProviderManifest<S>,
  trial: () => Promise<readonly ValidationProblem[]>,
  further: Places = {},
): Promise<ValidationReport> {
  const places = { ...PLACES, ...further };
  const [incoming, outgoing] = await Promise.all([
    trial().catch((error: unknown) => [problemOf(error, manifest.name, places)]),
    validateOutgoing(call, call.settings.smtp),
  ]);
  const problems = [...incoming, ...outgoing];
  return {
    ok: problems.length === 0,
    problems,
    warnings: manifest.warnings?.(call.settings) ?? [],
  };
}

const PLACES: Places = {
  ...connectionPlaces('/settings/host', '/settings/port', '/settings/security'),
  connection_lost: { step: 'port', pointer: '/settings/port' },
  login_disabled: { step: 'tls', pointer: '/settings/security' },
  login_refused: { step: 'login', pointer: '/settings/password' },
  busy: { step: 'login', pointer: '/settings/host' },
};

/** @throws what is no failure of the provider's */
function problemOf(error: unknown, provider: string, places: Places): ValidationProblem {
  if (!(error instanceof ProviderFailure)) throw error;
  const place = places[error.code.replace(`${provider}.`, '')];
  return (
    oauthProblem(error) ?? {
      ...(place ?? { step: 'port', pointer: '/settings/host' }),
      detail: error.message,
    }
  );
}
