import { ProviderFailure } from '../../domain/failure.ts';
import type { ConsentCapability } from '../contract.ts';
import { apiFor, askOnce } from './client.ts';
import type { GmailSettings } from './manifest.ts';
import { missingScopes, SCOPES } from './scopes.ts';
import { requestTokens } from './tokens.ts';
import { addressOf } from './transport.ts';

const AUTHORIZATION_URL = 'https://accounts.google.com/o/oauth2/v2/auth';

/** Google's consent page, for offline access (https://developers.google.com/identity/protocols/oauth2/web-server). */
export const consent: ConsentCapability<GmailSettings> = {
  authorizationUrl(settings, { redirectUri, state, codeChallenge, address }) {
    if (settings.client_id === undefined)
      throw new ProviderFailure({
        code: 'gmail.no_client',
        class: 'give_up',
        message:
          'No OAuth client is set: "client_id" and "client_secret" in the channel’s settings, or GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET of the installation.',
      });
    const hint = settings.account ?? address;
    const url = addressOf({ settings }, AUTHORIZATION_URL);
    url.search = new URLSearchParams({
      client_id: settings.client_id,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: SCOPES.join(' '),
      state,
      code_challenge: codeChallenge,
      code_challenge_method: 'S256',
      access_type: 'offline',
      include_granted_scopes: 'true',
      // Only a consent that is given anew brings a refresh token.
      prompt: 'consent',
      ...(hint !== null && { login_hint: hint }),
    }).toString();
    return url.href;
  },

  async exchange(call, { code, codeVerifier, redirectUri }) {
    const tokens = await requestTokens(call, {
      grant_type: 'authorization_code',
      code,
      code_verifier: codeVerifier,
      redirect_uri: redirectUri,
    });
    const missing = missingScopes(tokens.scopes);
    if (missing.length > 0)
      throw new ProviderFailure({
        code: 'gmail.scopes_missing',
        class: 'reauthenticate',
        message: `The consent lacks ${missing.join(' and ')}: connect the account again and leave all boxes ticked.`,
      });
    // Whose account it is: asked with the new token, which is not kept yet.
    const asNew = { ...call, tokens: { ...call.tokens, access: async () => tokens.accessToken } };
    const profile = await askOnce(asNew, apiFor(asNew), (api, options) =>
      api.users.getProfile({ userId: 'me', fields: 'emailAddress' }, options),
    );
    return { ...tokens, address: profile.emailAddress ?? null };
  },
};
