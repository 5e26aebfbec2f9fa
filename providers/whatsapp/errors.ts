import { gone, passing, refused, wait, type KnownError, type Told } from '../graph-errors.ts';
import type { Said } from './webhook.ts';

const MINUTE_MS = 60_000;

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes */
const ERRORS: Readonly<Record<number, KnownError>> = {
  0: refused(
    'login_refused',
    'Meta doesn’t accept the access token: make a new one, and set it as "access_token".',
  ),
  3: refused(
    'permission_missing',
    'The access token lacks a permission: it wants whatsapp_business_messaging and whatsapp_business_management.',
  ),
  10: refused(
    'permission_missing',
    'The access token lacks a permission: it wants whatsapp_business_messaging and whatsapp_business_management.',
  ),
  102: refused(
    'login_refused',
    'Meta doesn’t accept the access token: make a new one, and set it as "access_token".',
  ),
  190: refused(
    'token_expired',
    'The access token has expired, was taken back, or is not whole: make a new one, and set it as "access_token".',
  ),
  1: passing('unavailable', 'Meta has a fault just now.'),
  2: passing('unavailable', 'Meta has a fault just now.'),
  131000: passing('unavailable', 'WhatsApp has a fault just now.'),
  131016: passing('unavailable', 'WhatsApp has a fault just now.'),
  133004: passing('unavailable', 'WhatsApp has a fault just now.'),
  131057: wait(
    'maintenance',
    'The WhatsApp account is in maintenance; it is tried again.',
    5 * MINUTE_MS,
  ),
  4: wait('too_many_requests', 'The app has made too many calls at Meta.', 5 * MINUTE_MS),
  613: wait('too_many_requests', 'The app has made too many calls at Meta.', 5 * MINUTE_MS),
  80007: wait(
    'too_many_requests',
    'The WhatsApp account has made too many calls at Meta.',
    5 * MINUTE_MS,
  ),
  130429: wait(
    'too_many_requests',
    'The number has sent more messages a second than WhatsApp lets it.',
    10_000,
  ),
  // No other code is documented for a portfolio that has written to as many customers as it may; answers to whoever wrote
  // go on, so that only this message waits.
  131048: {
    ...wait(
      'messaging_limited',
      'WhatsApp holds the message back: the number has written first to as many customers as it may within 24 hours, or too many blocked it or called it spam. See its messaging limit and its quality in WhatsApp Manager; answers within a conversation’s window still go out.',
      60 * MINUTE_MS,
    ),
    isOfOne: true,
  },
  131056: {
    ...wait(
      'pair_limited',
      'Too many messages went from this number to this customer in a short time.',
      10_000,
    ),
    isOfOne: true,
  },
  368: gone(
    'account_restricted',
    'Meta has restricted the WhatsApp account for breaking its policies: see WhatsApp Manager.',
  ),
  130497: gone('country_restricted', 'The account may not write to customers in this country.'),
  131031: gone('account_locked', 'Meta has locked the WhatsApp account: see WhatsApp Manager.'),
  131037: gone(
    'display_name_missing',
    'The number’s display name isn’t approved yet: see WhatsApp Manager.',
  ),
  131042: gone(
    'payment_missing',
    'WhatsApp can’t charge the account: mend its means of payment in WhatsApp Manager.',
  ),
  131045: gone(
    'number_unregistered',
    'The number isn’t registered with WhatsApp’s Cloud API: register it first.',
  ),
  133010: gone(
    'number_unregistered',
    'The number isn’t registered with WhatsApp’s Cloud API: register it first.',
  ),
  131021: gone('own_number', 'The message was addressed to the number that it is from.'),
  131026: gone(
    'undeliverable',
    'WhatsApp can’t deliver it: the customer may not use WhatsApp, use an old version, or not have accepted its terms.',
  ),
  131030: gone(
    'recipient_not_allowed',
    'A test number writes only to the recipients that were entered for it at Meta.',
  ),
  131047: gone(
    'window_closed',
    'More than 24 hours have passed since the customer’s latest message: only a template may be sent.',
  ),
  131049: gone(
    'held_back',
    'Meta chose not to deliver it, so that the customer doesn’t get too many marketing messages: don’t repeat it within a day.',
  ),
  131050: gone('marketing_refused', 'The customer wants no marketing messages from this business.'),
  130472: gone(
    'held_back',
    'The customer’s number is part of an experiment of Meta’s: marketing messages aren’t delivered to it.',
  ),
  131051: gone('kind_unsupported', 'WhatsApp doesn’t take this kind of message.'),
  131052: gone('file_refused', 'WhatsApp couldn’t take the file.'),
  131053: gone(
    'file_refused',
    'WhatsApp doesn’t take this file: see which types and sizes it allows.',
  ),
  131008: gone('request_refused', 'WhatsApp misses a value in the request.'),
  131009: gone('request_refused', 'WhatsApp doesn’t take a value in the request.'),
  131005: refused(
    'permission_missing',
    'The access token lacks a permission: it wants whatsapp_business_messaging and whatsapp_business_management.',
  ),
  132000: gone('template_values', 'The template wants another number of values.'),
  132001: gone(
    'template_unknown',
    'There is no approved template of this name and language: synchronise the templates.',
  ),
  132005: gone('template_values', 'A value is too long for the template.'),
  132007: gone('template_refused', 'The template breaks a policy of WhatsApp’s.'),
  132012: gone('template_values', 'A value has another form than the template wants.'),
  132018: gone(
    'template_values',
    'A value has a line break, a tab or more than four spaces in a row, or doesn’t fit its place in the template.',
  ),
  132015: gone('template_paused', 'The template is paused for its low quality.'),
  132016: gone(
    'template_disabled',
    'The template is disabled for good, because it was paused too often.',
  ),
  33: gone(
    'number_unknown',
    'There is no such number at Meta, or the token may not see it: check "phone_number_id".',
  ),
  100: gone('request_refused', 'Meta doesn’t take the request.'),
};

const OTHER_APP = refused(
  'app_secret_wrong',
  '"app_secret" is not the secret of the app that "access_token" belongs to: set both of the same app.',
);

/** What a refusal of Meta's means; undefined where its code isn't known. 200 to 299 are permissions. */
export function knownError({ code, subcode, words }: Told): KnownError | undefined {
  if (code === undefined) return undefined;
  if (/appsecret_proof/i.test(words)) return OTHER_APP;
  if (code === 100 && subcode === 33) return ERRORS[33];
  return code >= 200 && code <= 299 ? ERRORS[10] : ERRORS[code];
}

/** What our failures call it. */
export function codeOf({ code }: Said): string {
  return `whatsapp.${knownError({ code, subcode: undefined, words: '' })?.code ?? 'failed'}`;
}

/** In plain words, with the vendor's own beside ours. */
export function meaningOf({ code, title, message, error_data: more }: Said): string {
  const own = knownError({ code, subcode: undefined, words: '' })?.words;
  const told = more?.details ?? message ?? title;
  const number = code === undefined ? '' : ` (${code})`;
  if (own === undefined) return `${told ?? 'WhatsApp gives no reason.'}${number}`;
  return told === undefined ? `${own}${number}` : `${own} WhatsApp says${number}: ${told}`;
}
