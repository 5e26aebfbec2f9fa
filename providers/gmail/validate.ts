import { ProviderFailure } from '../../domain/failure.ts';
import { connectionPlaces, type Places } from '../connect.ts';
import type { ValidationProblem, ValidationReport } from '../contract.ts';
import type { GmailCall } from './call.ts';
import { gmailApi } from './client.ts';
import { labelFilter } from './labels.ts';
import { isWatching, manifest } from './manifest.ts';
import { UNITS } from './quota.ts';
import { missingScopes } from './scopes.ts';
import { accessToken } from './tokens.ts';
import { fetchFor } from './transport.ts';

const TOKEN_INFO_URL = 'https://oauth2.googleapis.com/tokeninfo';

/** Tries what a channel will do: a token, what it allows, the account, its labels. */
export async function validate(call: GmailCall): Promise<ValidationReport> {
  const warnings = [...(manifest.warnings?.(call.settings) ?? [])];
  const problems: ValidationProblem[] = [];
  try {
    const ask = gmailApi(call);
    const { emailAddress } = await ask(UNITS.profile, (api, options) =>
      api.users.getProfile({ userId: 'me', fields: 'emailAddress' }, options),
    );
    problems.push(...(await scopeProblems(call)));
    warnings.push(...accountWarnings(call, emailAddress ?? ''));
    await labelFilter(call, ask);
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    problems.push(problemOf(error));
  }
  return { ok: problems.length === 0, problems, warnings };
}

/** A consent may have been given in part; where Google doesn't tell, the calls themselves will. */
async function scopeProblems(call: GmailCall): Promise<ValidationProblem[]> {
  const response = await fetchFor(call)(TOKEN_INFO_URL, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await accessToken(call)}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
  });
  const text = await response.text();
  if (!response.ok) return [];
  const { scope } = JSON.parse(text) as { scope?: string };
  const missing = missingScopes((scope ?? '').split(' '));
  if (missing.length === 0) return [];
  return [
    {
      step: 'permission',
      pointer: '/settings/refresh_token',
      detail: `The consent does not allow ${missing.join(' and ')}. Connect the account again and leave all boxes ticked.`,
    },
  ];
}

/** Pushes name the account: a channel known under another address would not be found by them. */
function accountWarnings({ settings, channel }: GmailCall, account: string): string[] {
  const known = settings.account ?? channel.address;
  if (!isWatching(settings) || known?.toLowerCase() === account.toLowerCase()) return [];
  return [
    `Gmail calls this account ${account}, and pushes name it so: set "account" to it, or they don’t reach this channel.`,
  ];
}

const PLACE: Places = {
  ...connectionPlaces('/settings/base_url'),
  connection_lost: { step: 'port', pointer: '/settings/base_url' },
  timeout: { step: 'port', pointer: '/settings/base_url' },
  label_missing: { step: 'folder', pointer: '/settings/labels' },
  not_permitted: { step: 'permission', pointer: '/settings/refresh_token' },
  domain_policy: { step: 'permission', pointer: '/settings/account' },
  api_disabled: { step: 'settings', pointer: '/settings/client_id' },
  no_client: { step: 'settings', pointer: '/settings/client_id' },
  client_refused: { step: 'login', pointer: '/settings/client_secret' },
  token_expired: { step: 'login', pointer: '/settings/access_token' },
};

function problemOf(failure: ProviderFailure): ValidationProblem {
  const place = PLACE[failure.code.replace(/^gmail\./, '')];
  const otherwise = { step: 'login', pointer: '/settings/refresh_token' };
  return { ...(place ?? otherwise), detail: failure.message };
}
