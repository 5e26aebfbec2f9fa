import { connectionPlaces, type Places } from './connect.ts';
import type { ProviderCall, ValidationProblem } from './contract.ts';
import { oauthProblem } from './mail-oauth.ts';
import type { OutgoingServer } from './mail-settings.ts';
import type { WithOutgoing } from './submission.ts';
import { smtpFailure } from './smtp-failure.ts';
import { withSubmission } from './smtp-session.ts';

/** Connects and logs in as a send would, and sends nothing. No problem where there is no outgoing server. */
export async function validateOutgoing(
  call: ProviderCall<WithOutgoing>,
  server: OutgoingServer | undefined,
): Promise<ValidationProblem[]> {
  if (!server) return [];
  try {
    await withSubmission(call, server, { isOpen: false }, async () => undefined);
    return [];
  } catch (error) {
    call.signal.throwIfAborted();
    const failure = smtpFailure(error, server);
    const byOauth = oauthProblem(failure);
    if (byOauth) return [byOauth];
    const place = PLACE[failure.code.replace(/^smtp\./, '')];
    return [
      {
        ...(place ?? { step: 'port', pointer: '/settings/smtp/host' }),
        detail: `Outgoing server: ${failure.message}`,
      },
    ];
  }
}

const PLACE: Places = {
  ...connectionPlaces('/settings/smtp/host', '/settings/smtp/port', '/settings/smtp/security'),
  login_refused: { step: 'login', pointer: '/settings/smtp/password' },
};
