import type { ObtainedTokens, ProviderCall } from './call.ts';

/** The vendor's consent page, and what comes back from it (RFC 6749 §4.1, RFC 7636). */
export interface ConsentCapability<Settings> {
  /** Where the admin is sent. `state` and `codeChallenge` (S256) are ours; the scopes are the least that do. */
  readonly authorizationUrl: (
    settings: Settings,
    request: { redirectUri: string; state: string; codeChallenge: string; address: string | null },
  ) => string;
  /** Trades the code for tokens. @throws ProviderFailure */
  readonly exchange: (
    call: ProviderCall<Settings>,
    answer: { code: string; codeVerifier: string; redirectUri: string },
  ) => Promise<ObtainedTokens & { address: string | null; scopes: readonly string[] }>;
}
