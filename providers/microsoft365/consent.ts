import type { ConsentCapability, ObtainedTokens } from '../contract.ts';
import { cloudOf } from './cloud.ts';
import { failure } from './failure.ts';
import type { Microsoft365Settings } from './manifest.ts';
import { mailScopes, signIn, type Microsoft365Call } from './sign-in.ts';

/** Who it is, and going on while nobody is signed in. */
const OPENID = ['openid', 'profile', 'offline_access'];

/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow */
export const consent: ConsentCapability<Microsoft365Settings> = {
  authorizationUrl(settings, { redirectUri, state, codeChallenge, address }) {
    if (settings.client_id === undefined)
      throw failure(
        'app_missing',
        'reauthenticate',
        'client_id of the app registration is missing.',
      );
    const url = new URL(
      `${cloudOf(settings).login}/${settings.tenant_id ?? 'common'}/oauth2/v2.0/authorize`,
    );
    url.search = new URLSearchParams({
      client_id: settings.client_id,
      response_type: 'code',
      response_mode: 'query',
      redirect_uri: redirectUri,
      scope: [...OPENID, ...mailScopes(settings)].join(' '),
      state,
      code_challenge: codeChallenge,
      code_challenge_method: 'S256',
      // Someone may be signed in with another account: the admin chooses.
      prompt: 'select_account',
      ...(address !== null && { login_hint: address }),
    }).toString();
    return url.href;
  },

  async exchange(call: Microsoft365Call, { code, codeVerifier, redirectUri }) {
    const { account, ...tokens } = await signIn(call, (app) =>
      app.acquireTokenByCode({
        code,
        codeVerifier,
        redirectUri,
        scopes: mailScopes(call.settings),
      }),
    );
    const granted = new Set(account.scopes.map(nameOf));
    const missing = mailScopes(call.settings)
      .map(nameOf)
      .filter((name) => !granted.has(name));
    if (missing.length > 0)
      throw failure(
        'scopes_missing',
        'reauthenticate',
        `The consent leaves out ${missing.join(' and ')}: connect the account again and grant it, or have an admin do so.`,
      );
    const given: ObtainedTokens = tokens;
    const username = account.account?.username ?? '';
    return { ...given, address: username.includes('@') ? username : null, scopes: account.scopes };
  },
};

/** Scopes come with or without the resource in front. */
function nameOf(scope: string): string {
  return scope.slice(scope.lastIndexOf('/') + 1);
}
