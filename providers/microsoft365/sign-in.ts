import {
  ConfidentialClientApplication,
  type AuthenticationResult,
  type INetworkModule,
} from '@azure/msal-node';
import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import type { KeptTokens, ObtainedTokens, ProviderCall } from '../contract.ts';
import { cloudOf } from './cloud.ts';
import { failure, networkFailure, retryAfter } from './failure.ts';
import type { Microsoft365Settings } from './manifest.ts';
import { signInFailure } from './sign-in-failure.ts';

export type Microsoft365Call = ProviderCall<Microsoft365Settings>;

/** msal wants https and a known host; where the request really goes is `cloudOf`. */
const AUTHORITY_HOST = 'login.microsoftonline.com';
/** Of a pasted access token that doesn't tell its own end. */
const PASTED_MS = 30 * 60_000;

/** The least that reads mail, makes drafts and sends them. */
export function mailScopes(settings: Microsoft365Settings): string[] {
  const { resource } = cloudOf(settings);
  return ['Mail.ReadWrite', 'Mail.Send'].map((scope) => `${resource}/${scope}`);
}

/** Whether the app acts on its own, or for an account that was connected. */
export function isApplication(settings: Microsoft365Settings): boolean {
  const { auth, refresh_token, access_token, mailbox, tenant_id, client_secret } = settings;
  if (auth !== undefined) return auth === 'application';
  return (
    refresh_token === undefined &&
    access_token === undefined &&
    [mailbox, tenant_id, client_secret].every((given) => given !== undefined)
  );
}

/**
 * A new access token: by the connected account's refresh token where there is one, else by the app's own credentials.
 * @throws ProviderFailure
 */
export async function obtainTokens(
  call: Microsoft365Call,
  { refreshToken: kept }: KeptTokens,
): Promise<ObtainedTokens> {
  const { settings } = call;
  const { resource } = cloudOf(settings);
  const ofResource = [`${resource}/.default`];
  const { refresh_token: pasted, access_token: accessToken } = settings;
  if (kept !== null)
    try {
      return await refresh(call, kept, mailScopes(settings));
    } catch (error) {
      // One pasted after the connected account's consent had ended takes its place.
      if (!hasEnded(error) || pasted === undefined || pasted === kept) throw error;
    }
  // Of a consent that wasn't ours: whatever it was for; naming a scope more would be refused.
  if (pasted !== undefined) return refresh(call, pasted, ofResource);
  if (accessToken !== undefined) return pastedToken(accessToken);
  if (isApplication(settings))
    return signIn(call, (app) =>
      app.acquireTokenByClientCredential({ scopes: ofResource, skipCache: true }),
    );
  throw failure(
    'not_connected',
    'reauthenticate',
    'No account is connected yet: use Connect, or give tenant_id, client_id, client_secret and mailbox.',
  );
}

function refresh(call: Microsoft365Call, refreshToken: string, scopes: string[]) {
  return signIn(call, (app) => app.acquireTokenByRefreshToken({ refreshToken, scopes }));
}

function hasEnded(error: unknown): boolean {
  return error instanceof ProviderFailure && error.code === 'microsoft365.consent_ended';
}

/** @throws ProviderFailure */
export async function signIn(
  call: Microsoft365Call,
  ask: (app: ConfidentialClientApplication) => Promise<AuthenticationResult | null>,
): Promise<ObtainedTokens & { account: AuthenticationResult }> {
  const {
    client_id: clientId,
    client_secret: clientSecret,
    tenant_id: tenant = 'common',
  } = call.settings;
  if (clientId === undefined || clientSecret === undefined)
    throw failure(
      'app_missing',
      'reauthenticate',
      'client_id and client_secret of the app registration are missing.',
    );
  const network = new SignInNetwork(call, tenant);
  const authority = `https://${AUTHORITY_HOST}/${tenant}`;
  const app = new ConfidentialClientApplication({
    auth: {
      clientId,
      clientSecret,
      authority,
      knownAuthorities: [AUTHORITY_HOST],
      // Known already: else msal would ask for it before every sign-in.
      authorityMetadata: JSON.stringify({
        authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
        token_endpoint: `${authority}/oauth2/v2.0/token`,
        end_session_endpoint: `${authority}/oauth2/v2.0/logout`,
        issuer: `${authority}/v2.0`,
        jwks_uri: `${authority}/discovery/v2.0/keys`,
      }),
    },
    system: { networkClient: network, disableInternalRetries: true },
  });
  const account = await ask(app).catch((error: unknown) => {
    call.signal.throwIfAborted();
    throw network.refusal ?? networkFailure(error, cloudOf(call.settings).login);
  });
  if (!account) throw failure('sign_in_failed', 'retry', 'Microsoft’s sign-in gave no token.');
  const expiresAt = account.expiresOn ?? new Date(Date.now() + PASTED_MS);
  const { refreshToken } = network;
  return {
    accessToken: account.accessToken,
    expiresAt,
    account,
    ...(refreshToken && { refreshToken }),
  };
}

/** How msal asks the sign-in service: over the guarded network, at the address that the settings name. */
class SignInNetwork implements INetworkModule {
  /** What went wrong, classified; msal keeps less of it. */
  refusal: Error | undefined;
  /** msal keeps it to itself. */
  refreshToken: string | undefined;
  readonly #call: Microsoft365Call;
  readonly #tenant: string;

  constructor(call: Microsoft365Call, tenant: string) {
    this.#call = call;
    this.#tenant = tenant;
  }

  sendGetRequestAsync(): never {
    throw new Error('Nothing is asked for by GET: the authority’s metadata is given.');
  }

  readonly sendPostRequestAsync: INetworkModule['sendPostRequestAsync'] = async (_url, options) => {
    try {
      const { body, ...answer } = await this.#post(options?.headers, options?.body);
      // What the token endpoint answers (RFC 6749 §5.1) is what msal asks for.
      return { ...answer, body: body as never };
    } catch (error) {
      this.refusal = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  };

  async #post(headers: Record<string, string> | undefined, body: string | undefined) {
    const { network, settings, signal, timeoutMs } = this.#call;
    const { login } = cloudOf(settings);
    const url = `${login}/${this.#tenant}/oauth2/v2.0/token`;
    const options = {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    };
    const answer = await network.fetch(url, options).catch((error: unknown) => {
      throw networkFailure(error, login);
    });
    const told = await readAnswer(answer);
    if (answer.status === 429)
      throw failure('throttled', 'wait', 'Microsoft’s sign-in asks us to come back later.', {
        status: 429,
        retryAfterMs: retryAfter(answer.headers.get('retry-after')) ?? 60_000,
      });
    if (!answer.ok) throw signInFailure(told.error, told.error_description, answer.status);
    this.refreshToken = told.refresh_token;
    return { headers: Object.fromEntries(answer.headers), body: told, status: answer.status };
  }
}

/** As far as it is looked at here (RFC 6749 §5.1, §5.2); msal reads the rest. */
const TokenAnswer = z.looseObject({
  error: z.string().catch(''),
  error_description: z.string().catch(''),
  refresh_token: z.string().optional().catch(undefined),
});

async function readAnswer(answer: Response): Promise<z.infer<typeof TokenAnswer>> {
  try {
    return TokenAnswer.parse(await answer.json());
  } catch (error) {
    throw failure(
      'sign_in_failed',
      'retry',
      'Microsoft’s sign-in gave an answer that can’t be read.',
      { status: answer.status },
      error,
    );
  }
}

function pastedToken(accessToken: string): ObtainedTokens {
  const expiresAt = endOf(accessToken) ?? new Date(Date.now() + PASTED_MS);
  if (expiresAt.getTime() > Date.now()) return { accessToken, expiresAt };
  throw failure(
    'token_ended',
    'reauthenticate',
    'The pasted access token has ended: connect the account, or paste a new one.',
  );
}

/** Microsoft's tokens for work accounts are JWTs (RFC 7519 §4.1.4); of others nothing is known. */
function endOf(token: string): Date | null {
  try {
    const claims: unknown = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
    );
    const seconds = (claims as { exp?: unknown } | null)?.exp; // looked at before it is used
    return typeof seconds === 'number' ? new Date(seconds * 1000) : null;
  } catch {
    return null;
  }
}
