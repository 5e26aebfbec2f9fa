import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { JWTPayload } from 'jose';
import { Provider, type Configuration } from 'oidc-provider';
import { consentPages } from './pages.ts';
import { signingKey } from './keys.ts';
import { storage } from './storage.ts';
import { MICROSOFT_TENANT, google, microsoft, type Vendor } from './vendors.ts';

export interface Account {
  readonly address: string;
  readonly name?: string;
  /** Says no at the consent page. */
  readonly denies?: boolean;
  /** Scopes that the person leaves unticked. */
  readonly withholds?: readonly string[];
}

export interface ConsentEndOptions {
  readonly vendor: 'google' | 'microsoft';
  readonly accounts?: readonly Account[];
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Default: any on loopback. */
  readonly redirectUris?: readonly string[];
  /** Default 3600 (an hour). */
  readonly accessTokenSeconds?: number;
  /** Default 90 days. */
  readonly refreshTokenSeconds?: number;
  /** Whether a renewal brings another refresh token and ends the last; default as the vendor does it. */
  readonly rotate?: boolean;
}

export interface TokenCalls {
  readonly authorization_code: number;
  readonly refresh_token: number;
  readonly client_credentials: number;
  readonly refused: number;
}

/** A vendor's consent page and token end: a real OpenID provider, over http on loopback. */
export interface ConsentEnd {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Paths below the simulator's base URL. */
  readonly paths: Vendor['paths'];
  /** Serves the vendor's paths and leaves all others; goes in front of all that reads bodies (`unparsed`). */
  readonly handler: RequestHandler;
  /** Answered calls of the token end, by grant. */
  readonly calls: TokenCalls;
  addAccount(account: Account): void;
  /** A refresh token as after a consent; `scopes` default to all that the vendor has. */
  grant(address: string, scopes?: readonly string[]): Promise<string>;
  /** Whose access token it is; address null for the app itself. Null where it is unknown, past or revoked. */
  bearer(
    accessToken: string,
  ): Promise<{ address: string | null; scopes: readonly string[] } | null>;
  /** The person takes the consent back: all tokens of the account end. */
  revoke(address: string): Promise<void>;
  /** All access tokens end now; refresh tokens live on. */
  expireAccessTokens(): void;
  /** A token as Google signs it onto a Pub/Sub push: iss, iat and exp are set where `claims` don't. */
  signPushToken(claims: JWTPayload): Promise<string>;
}

const HOUR = 3600;

export async function createConsentEnd(options: ConsentEndOptions): Promise<ConsentEnd> {
  const vendor = { google, microsoft }[options.vendor];
  const { clientId = `client.${vendor.name}`, clientSecret = `secret.${vendor.name}` } = options;
  const accounts = new Map((options.accounts ?? []).map((account) => [account.address, account]));
  const grants = new Map<string, Set<string>>();
  const calls = { authorization_code: 0, refresh_token: 0, client_credentials: 0, refused: 0 };
  const store = storage({ keepsUsed: options.rotate === undefined && vendor.keepsUsed });
  const key = await signingKey();

  const provider = new Provider(vendor.issuer, {
    ...configuration(vendor, options, { clientId, clientSecret }),
    adapter: store.adapter,
    jwks: { keys: [key.jwk] },
    interactions: { url: (_ctx, { uid }) => `/consent/${vendor.name}/${uid}` },
    findAccount: (_ctx, address) => {
      const account = accounts.get(address);
      return account && { accountId: address, claims: () => claimsOf(account) };
    },
  });
  allowRedirects(provider, options.redirectUris);
  provider.on('grant.success', (ctx) => {
    const grant = ctx.oidc.params?.grant_type as keyof typeof calls; // only the three are enabled
    calls[grant] += 1;
  });
  provider.on('grant.error', () => void (calls.refused += 1));

  const remember = (address: string, grantId: string) =>
    void grants.set(address, (grants.get(address) ?? new Set()).add(grantId));
  const pages = consentPages(provider, vendor.name, accounts, remember);
  const callback = provider.callback();

  const revoke = async (address: string) => {
    for (const grantId of grants.get(address) ?? []) await revokeGrant(provider, grantId);
    grants.delete(address);
  };

  return {
    clientId,
    clientSecret,
    paths: vendor.paths,
    calls,
    handler(request, response, next) {
      const { pathname, searchParams } = new URL(request.url, 'http://vendor');
      if (vendor === google && pathname === '/oauth2/v1/certs') return void response.json(key.pem);
      if (vendor === google && pathname === '/revoke')
        return void revokeToken(provider, searchParams.get('token')).then((known) =>
          known
            ? response.json({})
            : response
                .status(400)
                .json({ error: 'invalid_token', error_description: 'Token expired or revoked' }),
        );
      forgetSession(request);
      if (pages(request, response)) return;
      const path = vendor.known(pathname);
      if (path === null) return next();
      if (path === vendor.paths.authorization) askForConsent(vendor, searchParams);
      const query = searchParams.toString();
      request.url = query === '' ? path : `${path}?${query}`;
      request.originalUrl = request.url;
      void callback(request, response);
    },
    addAccount: (account) => void accounts.set(account.address, account),
    async grant(address, scopes = vendor.scopes) {
      if (!accounts.has(address)) accounts.set(address, { address });
      const scope = ['openid', 'email', 'offline_access', ...scopes].join(' ');
      const grant = new provider.Grant({ accountId: address, clientId });
      grant.addOIDCScope(scope);
      const grantId = await grant.save();
      remember(address, grantId);
      const client = (await provider.Client.find(clientId))!; // registered above
      return new provider.RefreshToken({
        accountId: address,
        client,
        grantId,
        scope,
        gty: 'authorization_code',
      }).save();
    },
    async bearer(accessToken) {
      const ofAccount = await provider.AccessToken.find(accessToken);
      const token = ofAccount ?? (await provider.ClientCredentials.find(accessToken));
      if (!token) return null;
      return { address: ofAccount?.accountId ?? null, scopes: (token.scope ?? '').split(' ') };
    },
    revoke,
    expireAccessTokens() {
      store.forget('AccessToken');
      store.forget('ClientCredentials');
    },
    signPushToken: (claims) => {
      const now = Math.floor(Date.now() / 1000);
      return key.sign({ iss: google.issuer, iat: now, exp: now + HOUR, ...claims });
    },
  };
}

function configuration(
  vendor: Vendor,
  { accessTokenSeconds = HOUR, refreshTokenSeconds = 90 * 24 * HOUR, rotate }: ConsentEndOptions,
  { clientId, clientSecret }: { clientId: string; clientSecret: string },
): Configuration {
  return {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        redirect_uris: ['http://127.0.0.1/oauth/callback'],
        application_type: 'native',
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    cookies: { keys: ['simulated'] },
    claims: {
      openid: ['sub', 'oid', 'tid'],
      email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username'],
    },
    // Both vendors put the address into the ID token itself.
    conformIdTokenClaims: false,
    scopes: ['openid', 'email', 'profile', 'offline_access', ...vendor.scopes],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
    },
    pkce: { required: () => true },
    rotateRefreshToken: rotate ?? vendor.rotates,
    routes: vendor.paths,
    ttl: {
      AccessToken: accessTokenSeconds,
      ClientCredentials: accessTokenSeconds,
      RefreshToken: refreshTokenSeconds,
      AuthorizationCode: 600,
      IdToken: HOUR,
      Interaction: HOUR,
      Session: HOUR,
      Grant: refreshTokenSeconds,
    },
  };
}

function claimsOf({ address, name = address }: Account) {
  const sub = createHash('sha256').update(address).digest('hex').slice(0, 21);
  return {
    sub,
    oid: sub,
    tid: MICROSOFT_TENANT,
    email: address,
    email_verified: true,
    name,
    preferred_username: address,
  };
}

/** Each consent is asked for anew, so that a browser can connect several accounts one after the other. */
function forgetSession(request: { headers: { cookie?: string } }): void {
  const { cookie } = request.headers;
  if (cookie !== undefined)
    request.headers.cookie = cookie
      .split(/;\s*/)
      .filter((one) => !one.startsWith('_session'))
      .join('; ');
}

/** OpenID's way of asking for offline access: its own scope, and a consent that is asked for. */
function askForConsent(vendor: Vendor, asked: URLSearchParams): void {
  const offline = vendor.offline(asked);
  const scopes = (asked.get('scope') ?? '').split(' ').filter((one) => one !== 'offline_access');
  asked.set(
    'scope',
    ['openid', ...scopes, ...(offline ? ['offline_access'] : [])].join(' ').trim(),
  );
  asked.set('prompt', 'consent');
}

/** Loopback addresses have another port at each start. */
function allowRedirects(provider: Provider, only: readonly string[] | undefined): void {
  Object.defineProperty(provider.Client.prototype, 'redirectUriAllowed', {
    value: (uri: string) =>
      only?.includes(uri) ?? ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(uri).hostname),
  });
}

async function revokeToken(provider: Provider, token: string | null): Promise<boolean> {
  if (token === null) return false;
  const found =
    (await provider.RefreshToken.find(token)) ?? (await provider.AccessToken.find(token));
  if (!found?.grantId) return false;
  await revokeGrant(provider, found.grantId);
  return true;
}

async function revokeGrant(provider: Provider, grantId: string): Promise<void> {
  for (const model of [provider.AccessToken, provider.RefreshToken, provider.AuthorizationCode])
    await model.revokeByGrantId(grantId);
  await (await provider.Grant.find(grantId))?.destroy();
}
