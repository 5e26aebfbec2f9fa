import { ProviderFailure, type FailureClass } from '../domain/failure.ts';
import { serverWords } from './connect.ts';
import type {
  ConsentCapability,
  KeptTokens,
  ObtainedTokens,
  ProviderCall,
  ValidationProblem,
} from './contract.ts';
import type { MailOauth, MailboxLogin } from './mail-login.ts';
import { PRESETS } from './mail-presets.ts';
import { ask } from './vendor-http.ts';

/** Settings that may log in by OAuth. */
export interface WithOauth {
  readonly username?: string;
  readonly password?: string;
  readonly oauth?: MailOauth;
}

export type Credentials = { readonly password: string } | { readonly accessToken: string };

type OauthCall = ProviderCall<WithOauth>;

const VENDOR = { code: 'oauth', title: 'The OAuth token endpoint', credential: 'oauth' };
/** Where an answer doesn't say (RFC 6749 §5.1), and of a token that was pasted. */
const TOKEN_LIFE_SECONDS = 3600;
const WAIT_MS = 60_000;

/**
 * Logs in by `attempt`, with the channel's password or an access token. A token that is refused is forgotten, and
 * another tried once; where that is refused too, or there is no other, a person must connect the account anew.
 * @throws what `attempt` throws, and ProviderFailure `oauth.…`
 */
export async function loginWith<T>(
  call: OauthCall,
  attempt: (credentials: Credentials) => Promise<T>,
  isRefusal: (error: unknown) => boolean,
): Promise<T> {
  const { oauth, password } = call.settings;
  if (!oauth) return attempt({ password: password ?? '' });
  const first = await accessToken(call, oauth);
  try {
    return await attempt({ accessToken: first });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await call.tokens.refuse(first);
    if (first === oauth.access_token) throw expired(error);
  }
  const second = await accessToken(call, oauth);
  try {
    return await attempt({ accessToken: second });
  } catch (error) {
    throw isRefusal(error) ? refusedAnew(error) : error;
  }
}

function accessToken(call: OauthCall, oauth: MailOauth): Promise<string> {
  return call.tokens.access((kept) => obtain(call, oauth, kept));
}

/** By the consent's refresh token, else the pasted one, else the pasted access token. */
async function obtain(
  call: OauthCall,
  oauth: MailOauth,
  { refreshToken }: KeptTokens,
): Promise<ObtainedTokens> {
  const known = [refreshToken, oauth.refresh_token].filter((token) => token != null);
  if (known.length === 0 && oauth.access_token !== undefined)
    return { accessToken: oauth.access_token, expiresAt: after(TOKEN_LIFE_SECONDS) };
  if (known.length === 0)
    throw failure(
      'not_connected',
      'reauthenticate',
      'No account is connected: use the Connect link, or set "oauth.refresh_token" in the channel’s settings.',
    );
  let revoked: unknown;
  for (const token of new Set(known)) {
    try {
      return await requestTokens(call, oauth, {
        grant_type: 'refresh_token',
        refresh_token: token,
      });
    } catch (error) {
      if (!(error instanceof ProviderFailure) || error.code !== 'oauth.consent_revoked')
        throw error;
      revoked = error;
    }
  }
  throw revoked;
}

type Granted = ObtainedTokens & { readonly scopes: readonly string[]; readonly idToken?: string };

/** One call of the token endpoint (RFC 6749 §4.1.3, §6). @throws ProviderFailure */
async function requestTokens(
  call: OauthCall,
  oauth: MailOauth,
  grant: Readonly<Record<string, string>>,
): Promise<Granted> {
  const { client_id, client_secret, token_url } = oauth;
  if (client_id === undefined || token_url === undefined)
    throw failure(
      'no_client',
      'reauthenticate',
      'An OAuth client is wanted: set "oauth.client_id" and, where no preset knows it, "oauth.token_url".',
    );
  const answer = await ask(call, VENDOR, {
    method: 'POST',
    url: token_url,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    },
    body: new URLSearchParams({
      ...grant,
      client_id,
      ...(client_secret !== undefined && { client_secret }),
    }).toString(),
  });
  const body = jsonOf(answer.body);
  const { access_token, expires_in, refresh_token, scope, id_token } = body;
  if (answer.status !== 200 || typeof access_token !== 'string')
    throw tokenFailure(answer.status, body, answer.headers.get('retry-after'));
  const seconds = Number(expires_in);
  return {
    accessToken: access_token,
    expiresAt: after(seconds > 0 ? seconds : TOKEN_LIFE_SECONDS),
    ...(typeof refresh_token === 'string' && { refreshToken: refresh_token }),
    ...(typeof id_token === 'string' && { idToken: id_token }),
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
  };
}

/** RFC 6749 §5.2 */
function tokenFailure(
  status: number,
  { error, error_description }: Readonly<Record<string, unknown>>,
  retryAfter: string | null,
): ProviderFailure {
  const words = serverWords(
    [error, error_description].filter((one) => typeof one === 'string').join(': '),
  );
  const said = words === '' ? '' : ` It says: "${words}".`;
  if (error === 'invalid_grant')
    return failure(
      'consent_revoked',
      'reauthenticate',
      `The consent was revoked, or has expired: connect the account again. What was read so far stays, and reading goes on where it was.${said}`,
    );
  if (error === 'invalid_client' || error === 'unauthorized_client')
    return failure(
      'client_refused',
      'reauthenticate',
      `The OAuth client is not accepted: check "oauth.client_id" and "oauth.client_secret".${said}`,
    );
  if (status === 429 || status === 503)
    return new ProviderFailure({
      code: 'oauth.busy',
      class: 'wait',
      message: `The OAuth token endpoint asks us to come back later (${status}).`,
      status,
      retryAfterMs: Number(retryAfter) > 0 ? Number(retryAfter) * 1000 : WAIT_MS,
    });
  if (status >= 500 || status === 200)
    return failure('token_failed', 'retry', `The OAuth token endpoint gave no token (${status}).`);
  return failure(
    'token_refused',
    'reauthenticate',
    `The OAuth token endpoint gives no token (${status}).${said}`,
  );
}

/** The vendor's consent page for a mailbox (RFC 6749 §4.1, RFC 7636); settings carry what a preset knows. */
export function mailConsent<S extends MailboxLogin>(): ConsentCapability<S> {
  return {
    authorizationUrl(settings, { redirectUri, state, codeChallenge, address }) {
      const { client_id, authorize_url, scope } = settings.oauth ?? {};
      if (client_id === undefined || authorize_url === undefined)
        throw failure(
          'no_client',
          'give_up',
          'To connect by a link, set "oauth.client_id" and, where no preset knows it, "oauth.authorize_url" in the channel’s settings.',
        );
      const preset = settings.preset && PRESETS[settings.preset].oauth;
      const url = new URL(authorize_url);
      for (const [name, value] of Object.entries({
        ...preset?.consent,
        client_id,
        response_type: 'code',
        redirect_uri: redirectUri,
        ...(scope !== undefined && { scope }),
        state,
        code_challenge: codeChallenge,
        code_challenge_method: 'S256',
        // The channel's own address may be an alias of the account.
        login_hint: settings.username.includes('@')
          ? settings.username
          : (address ?? settings.username),
      }))
        url.searchParams.set(name, value);
      return url.href;
    },

    async exchange(call, { code, codeVerifier, redirectUri }) {
      const { idToken, ...tokens } = await requestTokens(call, call.settings.oauth ?? {}, {
        grant_type: 'authorization_code',
        code,
        code_verifier: codeVerifier,
        redirect_uri: redirectUri,
      });
      return { ...tokens, address: addressIn(idToken) };
    },
  };
}

/** Where a failed login is mended; null where the failure is none of OAuth. */
export function oauthProblem({ code, message }: ProviderFailure): ValidationProblem | null {
  if (!code.startsWith('oauth.')) return null;
  return { step: 'login', detail: message, pointer: '/settings/oauth' };
}

/** Whom the vendor's own answer over TLS names; unsigned claims are enough for a name that is only shown. */
function addressIn(idToken: string | undefined): string | null {
  const claims = jsonOf(Buffer.from(idToken?.split('.')[1] ?? '', 'base64url'));
  return typeof claims['email'] === 'string' ? claims['email'] : null;
}

function expired(cause: unknown): ProviderFailure {
  return failure(
    'token_expired',
    'reauthenticate',
    'The access token has expired, and there is no refresh token to renew it: connect the account by the Connect link, or set a new one.',
    cause,
  );
}

function refusedAnew(cause: unknown): ProviderFailure {
  const said = cause instanceof ProviderFailure ? ` ${cause.message}` : '';
  return failure(
    'login_refused',
    'reauthenticate',
    `The mail server refuses an access token that was just given. Check that "username" is the account that consented, that the consent covers mail, and that the account may be read this way.${said}`,
    cause,
  );
}

function failure(code: string, kind: FailureClass, message: string, cause?: unknown) {
  return new ProviderFailure({ code: `oauth.${code}`, class: kind, message }, { cause });
}

function jsonOf(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(body.toString());
    return typeof json === 'object' && json !== null ? { ...json } : {};
  } catch {
    return {}; // a proxy's page: the status tells
  }
}

function after(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}
