/** How a vendor's consent and token ends differ; all else is OAuth 2.0 and OpenID Connect. */
export interface Vendor {
  readonly name: 'google' | 'microsoft';
  readonly issuer: string;
  readonly paths: {
    readonly authorization: string;
    readonly token: string;
    readonly jwks: string;
    readonly userinfo: string;
  };
  readonly scopes: readonly string[];
  /** Whether each renewal brings another refresh token, unless the options say otherwise. */
  readonly rotates: boolean;
  /** Whether the one that was used stays good beside it. */
  readonly keepsUsed: boolean;
  /** The path as the provider knows it; null where it is none of the vendor's. */
  readonly known: (path: string) => string | null;
  /** Whether the consent is for offline access, by what the authorization request asks. */
  readonly offline: (asked: URLSearchParams) => boolean;
}

const GOOGLE = 'https://www.googleapis.com/auth';

/** https://developers.google.com/identity/protocols/oauth2/web-server */
export const google: Vendor = {
  name: 'google',
  issuer: 'https://accounts.google.com',
  paths: {
    authorization: '/o/oauth2/v2/auth',
    token: '/token',
    jwks: '/oauth2/v3/certs',
    userinfo: '/v1/userinfo',
  },
  scopes: [
    'https://mail.google.com/',
    ...['readonly', 'send', 'compose', 'modify', 'metadata', 'labels'].map(
      (right) => `${GOOGLE}/gmail.${right}`,
    ),
    `${GOOGLE}/pubsub`,
    `${GOOGLE}/userinfo.email`,
    `${GOOGLE}/userinfo.profile`,
  ],
  rotates: false,
  keepsUsed: true,
  known: (path) =>
    /^\/(o\/oauth2\/v2\/auth(\/[\w-]+)?|token|oauth2\/v3\/certs|v1\/userinfo|\.well-known\/openid-configuration)$/.test(
      path,
    )
      ? path
      : null,
  offline: (asked) => asked.get('access_type') === 'offline',
};

const TENANT = '9188040d-6c67-4c5b-b112-36a304b66dad';
const MAIL_RIGHTS = ['Mail.Read', 'Mail.ReadWrite', 'Mail.Send', 'Mail.Read.Shared', 'User.Read', 'User.Read.All', 'Chat.Create', 'ChatMember.ReadWrite', 'ChatMember.ReadWrite.All']; // prettier-ignore

/** https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow */
export const microsoft: Vendor = {
  name: 'microsoft',
  issuer: `https://login.microsoftonline.com/${TENANT}/v2.0`,
  paths: {
    authorization: '/oauth2/v2.0/authorize',
    token: '/oauth2/v2.0/token',
    jwks: '/discovery/v2.0/keys',
    userinfo: '/oidc/userinfo',
  },
  scopes: [
    ...MAIL_RIGHTS.flatMap((right) => [right, `https://graph.microsoft.com/${right}`]),
    'https://graph.microsoft.com/.default',
    ...['IMAP.AccessAsUser.All', 'POP.AccessAsUser.All', 'SMTP.Send'].map(
      (right) => `https://outlook.office.com/${right}`,
    ),
  ],
  rotates: true,
  // https://learn.microsoft.com/en-us/entra/identity-platform/refresh-tokens#token-lifetime
  keepsUsed: true,
  known(path) {
    // Every path begins with the tenant: a GUID, a domain, `common` or `organizations`.
    const [, rest] =
      /^\/[\w.-]+(\/(?:oauth2\/v2\.0\/(?:authorize(?:\/[\w-]+)?|token)|discovery\/v2\.0\/keys|v2\.0\/\.well-known\/openid-configuration))$/.exec(
        path,
      ) ?? [];
    if (rest !== undefined) return rest.replace(/^\/v2\.0\/\.well-known/, '/.well-known');
    return /^\/(oauth2\/v2\.0\/(authorize(\/[\w-]+)?|token)|discovery\/v2\.0\/keys|oidc\/userinfo)$/.test(
      path,
    )
      ? path
      : null;
  },
  offline: (asked) => (asked.get('scope') ?? '').split(' ').includes('offline_access'),
};

export const MICROSOFT_TENANT = TENANT;
