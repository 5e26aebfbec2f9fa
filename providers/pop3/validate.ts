import { ProviderFailure } from '../../domain/failure.ts';
import type { ValidationProblem, ValidationReport } from '../contract.ts';
import { oauthProblem } from '../mail-oauth.ts';
import { validateOutgoing } from '../submission-trial.ts';
import { withSession, type Pop3Call } from './client.ts';
import { listMails } from './listing.ts';
import { manifest } from './manifest.ts';

/** Tries what a sync will do: host, port, TLS, login, listing; then the outgoing server. */
export async function validate(call: Pop3Call): Promise<ValidationReport> {
  const [incoming, outgoing] = await Promise.all([
    tryMailbox(call),
    validateOutgoing(call, call.settings.smtp),
  ]);
  const problems = [...incoming, ...outgoing];
  return {
    ok: problems.length === 0,
    problems,
    warnings: manifest.warnings?.(call.settings) ?? [],
  };
}

async function tryMailbox(call: Pop3Call): Promise<ValidationProblem[]> {
  try {
    await withSession(call, listMails);
    return [];
  } catch (error) {
    if (error instanceof ProviderFailure) return [problemOf(error)];
    throw error;
  }
}

const PLACE: Record<string, { step: string; pointer: string }> = {
  host_not_allowed: { step: 'host', pointer: '/settings/host' },
  host_unknown: { step: 'host', pointer: '/settings/host' },
  dns_failed: { step: 'host', pointer: '/settings/host' },
  connection_refused: { step: 'port', pointer: '/settings/port' },
  unreachable: { step: 'port', pointer: '/settings/port' },
  connection_lost: { step: 'port', pointer: '/settings/port' },
  certificate_refused: { step: 'tls', pointer: '/settings/security' },
  tls_failed: { step: 'tls', pointer: '/settings/security' },
  login_disabled: { step: 'tls', pointer: '/settings/security' },
  login_refused: { step: 'login', pointer: '/settings/password' },
  no_uidl: { step: 'permission', pointer: '/settings/host' },
  locked: { step: 'login', pointer: '/settings/username' },
  busy: { step: 'login', pointer: '/settings/host' },
};

function problemOf(failure: ProviderFailure): ValidationProblem {
  const place = PLACE[failure.code.replace(/^pop3\./, '')];
  return (
    oauthProblem(failure) ?? {
      ...(place ?? { step: 'port', pointer: '/settings/host' }),
      detail: failure.message,
    }
  );
}
