import type { ValidationReport } from '../contract.ts';
import { validateMailbox } from '../mailbox-trial.ts';
import { withSession, type Pop3Call } from './client.ts';
import { listMails } from './listing.ts';
import { manifest } from './manifest.ts';

/** Tries what a sync will do: host, port, TLS, login, listing; then the outgoing server. */
export async function validate(call: Pop3Call): Promise<ValidationReport> {
  const trial = async () => {
    await withSession(call, listMails);
    return [];
  };
  return validateMailbox(call, manifest, trial, {
    no_uidl: { step: 'permission', pointer: '/settings/host' },
    locked: { step: 'login', pointer: '/settings/username' },
  });
}
