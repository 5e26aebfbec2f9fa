import { createHash, randomBytes } from 'node:crypto';
import type {
  AccountTokens,
  ChannelProvider,
  KeptTokens,
  ObtainedTokens,
} from '../../../providers/contract.ts';
import { consentAsBrowser } from '../../../simulators/oidc/browser.ts';
import { createConsentEnd, type ConsentEnd } from '../../../simulators/oidc/consent-end.ts';
import { createSimulatorServer } from '../../../simulators/server.ts';
import { providerCall } from './call.ts';

const REDIRECT = 'http://127.0.0.1:9/oauth/callback';

/** A real OpenID provider, which the mail server asks about each token. */
export interface OauthEnd {
  readonly consent: ConsentEnd;
  readonly introspectionUrl: string;
  /** A channel's `oauth` settings for it. */
  readonly settings: {
    readonly client_id: string;
    readonly client_secret: string;
    readonly token_url: string;
    readonly authorize_url: string;
    readonly scope: string;
  };
  close(): Promise<void>;
}

export async function oauthEnd(addresses: readonly string[]): Promise<OauthEnd> {
  const consent = await createConsentEnd({
    vendor: 'google',
    accounts: addresses.map((address) => ({ address })),
  });
  const simulator = await createSimulatorServer({
    name: 'google',
    unparsed: consent.handler,
    routes: (api) =>
      void api.post('/introspect', async (request, response) => {
        // A connection kept open is closed here just as the mail server takes it up again: it refuses the login for now.
        response.set('connection', 'close');
        const { token } = request.body as { token?: string };
        const known = await consent.bearer(token ?? '');
        response.json(known ? { active: true, username: known.address } : { active: false });
      }),
  });
  return {
    consent,
    introspectionUrl: `${simulator.url}/introspect`,
    settings: {
      client_id: consent.clientId,
      client_secret: consent.clientSecret,
      token_url: simulator.url + consent.paths.token,
      authorize_url: simulator.url + consent.paths.authorization,
      scope: 'https://mail.google.com/',
    },
    close: () => simulator.close(),
  };
}

/** One channel's tokens, as the core keeps them. */
export class KeptHere implements AccountTokens {
  refreshToken: string | null = null;
  access_: ObtainedTokens | null = null;
  readonly refused: string[] = [];

  keep(tokens: ObtainedTokens): void {
    this.access_ = tokens;
    this.refreshToken = tokens.refreshToken ?? this.refreshToken;
  }

  async access(obtain: (kept: KeptTokens) => Promise<ObtainedTokens>): Promise<string> {
    if (!this.access_) this.keep(await obtain({ refreshToken: this.refreshToken }));
    return this.access_!.accessToken;
  }

  refuse(accessToken: string): Promise<void> {
    this.refused.push(accessToken);
    if (this.access_?.accessToken === accessToken) this.access_ = null;
    return Promise.resolve();
  }
}

/** An admin connects the account by the Connect link; at the page stands `address`. */
export async function connectAccount(
  { consent }: Pick<ChannelProvider, 'consent'>,
  settings: unknown,
  address: string | null,
): Promise<ObtainedTokens> {
  const verifier = randomBytes(32).toString('base64url');
  const codeChallenge = createHash('sha256').update(verifier).digest('base64url');
  const asked = { redirectUri: REDIRECT, state: 'ours', codeChallenge, address };
  const link = new URL(consent!.authorizationUrl(settings, asked));
  if (address !== null) link.searchParams.set('login_hint', address);
  // What the gmail preset asks for beside the standard: only an offline consent brings a refresh token.
  link.searchParams.set('access_type', 'offline');
  link.searchParams.set('scope', `openid email ${link.searchParams.get('scope') ?? ''}`);
  const back = await consentAsBrowser(link.href, REDIRECT);
  return consent!.exchange(providerCall(settings), {
    code: back.searchParams.get('code')!,
    codeVerifier: verifier,
    redirectUri: REDIRECT,
  });
}
