import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import { DoorRefusal, type DoorCapability, type DoorRequest } from '../contract.ts';
import type { GmailCall } from './call.ts';
import { googleKeys } from './certificates.ts';
import type { GmailSettings } from './manifest.ts';
import { readNotification } from './push.ts';

/** A push holds an address and a number. */
const MOST_BYTES = 64 * 1024;
const ISSUERS = ['https://accounts.google.com', 'accounts.google.com'];
const CLOCK_SLACK_SECONDS = 60;

/**
 * Pub/Sub's pushes for all Gmail channels of an installation
 * (https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions). They say only that there is news, so that a
 * redelivery, or one out of order, has no effect.
 */
export const door: DoorCapability<GmailSettings> = {
  maxBytes: MOST_BYTES,

  accounts(request) {
    const notification = readNotification(request.body);
    return notification ? [notification.emailAddress.toLowerCase()] : [];
  },

  keys: {
    wordIn: () => null,
    // Google signs for all: by these is told for whom, and where Google is.
    of: ({ push_service_account: account, push_audience: audience, base_url: url }) =>
      account === undefined
        ? {}
        : { signer: JSON.stringify([account.toLowerCase(), audience ?? null, url ?? null]) },
  },

  async verify(request, call) {
    const token = bearer(request);
    if (token === null) throw refusal('no_token', 'The push carries no token.');
    const { settings, doorUrl } = call;
    const audience = settings.push_audience ?? doorUrl;
    if (audience == null || settings.push_service_account === undefined)
      throw refusal(
        'not_configured',
        'The channel names no push_service_account or push_audience.',
      );
    const claims = await verified(call, token, audience);
    const isOurs =
      claims.email_verified === true &&
      typeof claims.email === 'string' &&
      claims.email.toLowerCase() === settings.push_service_account.toLowerCase();
    if (!isOurs)
      throw refusal('wrong_account', 'The token is not from the channel’s push_service_account.');
  },

  receive(request) {
    const isNews = readNotification(request.body) !== null;
    return Promise.resolve({ sources: [], ...(isNews && { news: 'mail' as const }) });
  },
};

function bearer({ headers }: DoorRequest): string | null {
  const { authorization } = headers;
  return typeof authorization === 'string'
    ? (/^Bearer ([\w-]+\.[\w-]+\.[\w-]*)$/.exec(authorization)?.[1] ?? null)
    : null;
}

/** @throws DoorRefusal, or ProviderFailure where Google's keys can't be had */
async function verified(call: GmailCall, token: string, audience: string): Promise<JWTPayload> {
  const keys = await googleKeys(call, keyIdOf(token));
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ['RS256'],
      issuer: ISSUERS,
      audience,
      clockTolerance: CLOCK_SLACK_SECONDS,
      requiredClaims: ['exp', 'iat', 'email'],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) throw refusal(codeOf(error), error.message);
    throw error;
  }
}

/** @throws DoorRefusal where the token is none */
function keyIdOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    throw refusal('bad_token', 'The token can’t be read.');
  }
}

function codeOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `wrong_${error.claim}`;
  return 'bad_signature';
}

function refusal(code: string, message: string): DoorRefusal {
  return new DoorRefusal(401, code, message);
}
