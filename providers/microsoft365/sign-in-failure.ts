import type { ProviderFailure } from '../../domain/failure.ts';
import { failure } from './failure.ts';

/**
 * What the sign-in service refused, by its number where it gives one
 * (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
 */
export function signInFailure(error: string, description: string, status: number): ProviderFailure {
  const number = /AADSTS(\d+)/.exec(description)?.[1] ?? '';
  const said = number === '' ? ` (${plain(error)})` : ` (AADSTS${number})`;
  const refuse = (code: string, message: string) =>
    failure(code, 'reauthenticate', `${message}${said}.`, { status });
  if (status >= 500 || error === 'temporarily_unavailable')
    return failure('sign_in_failed', 'retry', `Microsoft’s sign-in failed to answer${said}.`, {
      status,
    });
  if (error === 'invalid_client' || ['7000215', '7000222', '7000216'].includes(number))
    return refuse(
      'client_secret_refused',
      number === '7000222'
        ? 'The client secret has expired: make a new one in Microsoft Entra'
        : 'Microsoft refuses the client secret: give its value, not its id',
    );
  if (number === '700016')
    return refuse('client_unknown', 'Microsoft knows no app with this client_id in this directory');
  if (number === '90002' || number === '900023')
    return refuse('tenant_unknown', 'Microsoft knows no directory with this tenant_id');
  if (error === 'invalid_grant' || error === 'interaction_required' || error === 'consent_required')
    return refuse(
      'consent_ended',
      'The consent has ended or was taken back: connect the account again',
    );
  return refuse(
    'sign_in_refused',
    'Microsoft refuses the sign-in: check tenant_id, client_id and consent',
  );
}

function plain(error: string): string {
  return error.replace(/[^\w. -]/g, '').slice(0, 60) || 'no reason given';
}
