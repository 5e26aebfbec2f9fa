import { ProviderFailure } from '../../domain/failure.ts';
import type { AccountTokens, KeptTokens, ObtainedTokens } from '../contract.ts';
import type { GmailCall } from './call.ts';
import { lostFailure, tokenFailure } from './failure.ts';
import { addressOf, fetchFor } from './transport.ts';

const TOKEN_URL = 'https://oauth2.googleapis.com/token';
/** Google's access tokens live an hour; a pasted one at most that. */
const TOKEN_LIFE_SECONDS = 3600;

/** An access token of the channel's account: kept, renewed, or the pasted one. @throws ProviderFailure */
export function accessToken(call: GmailCall): Promise<string> {
  return call.tokens.access((kept) => obtain(call, kept));
}

/** A token is good for a minute at least when it is given. */
const REMEMBERED_MS = 45_000;

/** The same tokens, asked for once for all the requests of some seconds. */
export function rememberedTokens(tokens: AccountTokens): AccountTokens {
  let remembered: { readonly token: Promise<string>; readonly until: number } | null = null;
  const forget = (token: Promise<string>) => {
    if (remembered?.token === token) remembered = null;
  };
  return {
    access(obtain) {
      if (remembered && Date.now() < remembered.until) return remembered.token;
      const token = tokens.access(obtain);
      remembered = { token, until: Date.now() + REMEMBERED_MS };
      token.catch(() => forget(token));
      return token;
    },
    async refuse(accessToken) {
      remembered = null;
      await tokens.refuse(accessToken);
    },
  };
}

/** Whether a refused access token can be replaced without a person. */
export function isRenewable(call: GmailCall, refused: string): boolean {
  return call.settings.refresh_token !== undefined || refused !== call.settings.access_token;
}

async function obtain(call: GmailCall, kept: KeptTokens): Promise<ObtainedTokens> {
  const { settings } = call;
  // The consent's own token first; one that was pasted later may still be good where that one is revoked.
  const refreshTokens = [kept.refreshToken, settings.refresh_token].filter(
    (token) => token != null,
  );
  if (refreshTokens.length === 0 && settings.access_token !== undefined)
    return { accessToken: settings.access_token, expiresAt: after(TOKEN_LIFE_SECONDS) };
  if (refreshTokens.length === 0)
    throw new ProviderFailure({
      code: 'gmail.not_connected',
      class: 'reauthenticate',
      message:
        'No Google account is connected: use the Connect link, or set "refresh_token" in the channel’s settings.',
    });
  let revoked: unknown;
  for (const token of new Set(refreshTokens)) {
    try {
      return await requestTokens(call, { grant_type: 'refresh_token', refresh_token: token });
    } catch (error) {
      if (!(error instanceof ProviderFailure) || error.code !== 'gmail.consent_revoked')
        throw error;
      revoked = error;
    }
  }
  throw revoked;
}

export interface GrantedTokens extends ObtainedTokens {
  readonly scopes: readonly string[];
}

/** One call of the token endpoint (https://developers.google.com/identity/protocols/oauth2/web-server). @throws ProviderFailure */
export async function requestTokens(
  call: GmailCall,
  grant: Readonly<Record<string, string>>,
): Promise<GrantedTokens> {
  const { client_id, client_secret } = call.settings;
  if (client_id === undefined)
    throw new ProviderFailure({
      code: 'gmail.no_client',
      class: 'reauthenticate',
      message:
        'No OAuth client is set: "client_id" and "client_secret" in the channel’s settings, or GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET of the installation.',
    });
  const response = await fetchFor(call)(TOKEN_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      ...grant,
      client_id,
      ...(client_secret !== undefined && { client_secret }),
    }),
  });
  const body = await jsonOf(response);
  const { access_token, expires_in, refresh_token, scope } = body;
  if (!response.ok || typeof access_token !== 'string') {
    if (response.ok)
      throw lostFailure(new Error('no access token in the answer'), addressOf(call, TOKEN_URL));
    throw tokenFailure({
      status: response.status,
      body,
      retryAfter: response.headers.get('retry-after'),
    });
  }
  return {
    accessToken: access_token,
    expiresAt: after(typeof expires_in === 'number' ? expires_in : TOKEN_LIFE_SECONDS),
    ...(typeof refresh_token === 'string' && { refreshToken: refresh_token }),
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
  };
}

async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  try {
    return (await response.json()) as Record<string, unknown>; // each field is looked at before it is used
  } catch {
    return {}; // a proxy's page: the status tells
  }
}

function after(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}
