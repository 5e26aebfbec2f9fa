import type { Response } from 'express';
import type { AnsweredFault } from '../server.ts';
import { newTrace } from './ids.ts';

interface KnownError {
  /** HTTP status; default 400. */
  readonly status?: number;
  readonly message: string;
  readonly details?: string;
  readonly subcode?: number;
  readonly transient?: boolean;
}

/**
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes and
 * https://developers.facebook.com/docs/messenger-platform/error-codes
 */
const KNOWN: Readonly<Record<number, KnownError>> = {
  1: { status: 500, message: 'An unknown error occurred', transient: true },
  2: { status: 503, message: 'Service temporarily unavailable', transient: true },
  3: { status: 500, message: 'API method: capability or permissions are missing' },
  4: { message: 'Application request limit reached', transient: true },
  10: { status: 403, message: 'Application does not have permission for this action' },
  33: { message: 'Parameter value is not valid' },
  100: { message: 'Invalid parameter' },
  190: {
    status: 401,
    message: 'Error validating access token: Session has expired.',
    subcode: 463,
  },
  200: { status: 403, message: 'You do not have the necessary permissions' },
  230: { status: 403, message: 'Requires pages_messaging permission to manage the object' },
  368: { status: 403, message: 'Temporarily blocked for policies violations' },
  551: { message: 'This person isn’t available right now.', subcode: 1545041 },
  613: { message: 'Calls to this API have exceeded the rate limit.', transient: true },
  1200: { message: 'Temporary send message failure. Please try again later.', transient: true },
  80007: {
    message: 'Rate limit issues',
    details: 'The WhatsApp Business Account has reached its rate limit.',
  },
  130429: {
    message: 'Rate limit hit',
    details:
      'Message failed to send because there were too many messages sent from this phone number in a short period of time',
  },
  130472: { message: 'User’s number is part of an experiment' },
  131000: {
    status: 500,
    message: 'Something went wrong',
    details: 'Message failed to send due to an unknown error.',
  },
  131005: { status: 403, message: 'Access denied' },
  131008: { message: 'Required parameter is missing' },
  131009: { message: 'Parameter value is not valid' },
  131016: {
    status: 500,
    message: 'Service unavailable',
    details: 'A service is temporarily unavailable.',
  },
  131021: { message: 'Recipient cannot be sender' },
  131026: { message: 'Message undeliverable', details: 'Unable to deliver message.' },
  131030: { message: 'Recipient phone number not in allowed list' },
  131031: { status: 403, message: 'Business Account locked' },
  131042: { message: 'Business eligibility payment issue' },
  131047: {
    message: 'Re-engagement message',
    details:
      'Message failed to send because more than 24 hours have passed since the customer last replied to this number.',
  },
  131048: { message: 'Spam rate limit hit' },
  131049: { message: 'Meta chose not to deliver.' },
  131050: {
    message: 'Unable to deliver: the recipient has chosen to stop receiving marketing messages.',
  },
  131051: { message: 'Unsupported message type' },
  131052: { message: 'Media download error' },
  131053: { message: 'Media upload error' },
  131056: {
    message: '(Business Account, Consumer Account) pair rate limit hit',
    details:
      'Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.',
  },
  132000: { message: 'Number of parameters does not match the expected number of params' },
  132001: { status: 404, message: 'Template name does not exist in the translation' },
  132005: { message: 'Template Hydrated Text Too Long' },
  132012: { message: 'Parameter format does not match format in the created template' },
  132015: { message: 'Template is paused' },
  132016: { message: 'Template is disabled' },
  132018: { message: 'There’s an issue with the parameters in your template' },
  133010: { message: 'Account not registered' },
};

/** A refusal in Meta's words. */
export interface Refusal {
  readonly code: number;
  readonly subcode?: number;
  readonly message?: string;
  readonly details?: string;
  /** HTTP status. */
  readonly status?: number;
}

/** https://developers.facebook.com/docs/graph-api/overview/rate-limiting#headers-2, in minutes. */
const REGAINED_SOON = {
  '102290129340398': [
    {
      type: 'whatsapp',
      call_count: 100,
      total_cputime: 1,
      total_time: 1,
      estimated_time_to_regain_access: 1,
    },
  ],
};

/** What `errors` of a failed status webhook holds. */
export function statusError({ code, message, details }: Refusal): object {
  const known = KNOWN[code];
  const title = message ?? known?.message ?? 'Simulated error';
  return {
    code,
    title,
    message: title,
    error_data: { details: details ?? known?.details ?? title },
    href: 'https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes',
  };
}

/** Answers with a Graph API error (https://developers.facebook.com/docs/graph-api/guides/error-handling). */
export function graphError(response: Response, refusal: Refusal): void {
  const { code, subcode, message, details, status } = refusal;
  const known = KNOWN[code];
  const isWhatsApp = code >= 130_000;
  const text = message ?? known?.message ?? 'Simulated error';
  const inner = details ?? known?.details;
  if (code === 80007) response.set('X-Business-Use-Case-Usage', JSON.stringify(REGAINED_SOON));
  response.status(status ?? known?.status ?? 400).json({
    error: {
      message: code === 190 ? text : `(#${code}) ${text}`,
      type: 'OAuthException',
      code,
      ...((subcode ?? known?.subcode) !== undefined && {
        error_subcode: subcode ?? known?.subcode,
      }),
      ...(known?.transient === true && { is_transient: true }),
      ...(inner !== undefined && {
        error_data: isWhatsApp
          ? { messaging_product: 'whatsapp', details: inner }
          : { details: inner },
      }),
      fbtrace_id: newTrace(),
    },
  });
}

const FAULT_CODE: Record<AnsweredFault, Refusal> = {
  too_many: { code: 4 },
  unavailable: { code: 2 },
  server_error: { code: 1 },
  token_expired: { code: 190, subcode: 463 },
  token_revoked: {
    code: 190,
    subcode: 460,
    message: 'Error validating access token: The session has been invalidated.',
  },
};

export function wording(kind: AnsweredFault, response: Response): void {
  graphError(response, { ...FAULT_CODE[kind], status: response.statusCode });
}
