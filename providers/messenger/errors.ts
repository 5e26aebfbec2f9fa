import { gone, passing, refused, wait, type KnownError, type Told } from '../graph-errors.ts';

const MINUTE_MS = 60_000;
const NEW_TOKEN = 'make a new one, and set it as "page_access_token".';

const PERMISSION = refused(
  'permission_missing',
  'The page’s token lacks a permission: it wants pages_messaging and pages_manage_metadata; for people who have no role in the app, the app also has to be live and approved for them.',
);
const WINDOW = gone(
  'window_closed',
  'More than 24 hours have passed since the customer’s latest message: a person may still answer within seven days, under the tag HUMAN_AGENT.',
);

/**
 * By code and subcode (https://developers.facebook.com/docs/messenger-platform/error-codes and
 * https://developers.facebook.com/docs/graph-api/guides/error-handling).
 */
const ERRORS: Readonly<Record<string, KnownError>> = {
  '1': {
    ...passing('unknown_fault', 'Facebook met a fault of its own; what it was asked may be done.'),
    uncertain: true,
  },
  '2': passing('unavailable', 'Facebook has a fault just now.'),
  '1200': passing('unavailable', 'Facebook could not send it just now.'),
  '4': wait('too_many_requests', 'The app has made too many calls at Meta.', 5 * MINUTE_MS),
  '17': wait('too_many_requests', 'The account has made too many calls at Meta.', 5 * MINUTE_MS),
  '32': wait('too_many_requests', 'The page has made too many calls at Meta.', 5 * MINUTE_MS),
  '341': wait('too_many_requests', 'The app has made too many calls at Meta.', 5 * MINUTE_MS),
  '613': wait('too_many_requests', 'The page sends faster than Messenger lets it.', 10_000),
  '80006': wait('too_many_requests', 'The page sends faster than Messenger lets it.', MINUTE_MS),
  '102': refused('token_refused', `Facebook doesn’t accept the page’s token: ${NEW_TOKEN}`),
  '190': refused('token_refused', `Facebook doesn’t accept the page’s token: ${NEW_TOKEN}`),
  '190/458': refused(
    'app_removed',
    `The app was taken off the account: allow it again, ${NEW_TOKEN}`,
  ),
  '190/460': refused('token_revoked', `The page’s token was taken back: ${NEW_TOKEN}`),
  '190/463': refused('token_expired', `The page’s token has expired: ${NEW_TOKEN}`),
  '190/467': refused('token_revoked', `The page’s token was taken back: ${NEW_TOKEN}`),
  '190/492': refused(
    'not_the_pages_admin',
    `Whoever made the token has no role for the page any more: somebody who has should ${NEW_TOKEN}`,
  ),
  '10': PERMISSION,
  '3': PERMISSION,
  '230': PERMISSION,
  '10/2018065': WINDOW,
  '10/2018278': WINDOW,
  '10/2534022': WINDOW,
  '10/2018108': gone('not_receiving', 'The customer doesn’t receive messages of this page.'),
  '200/1545041': gone('person_unavailable', 'The customer can’t be written to just now.'),
  '200/2018300': gone('thread_elsewhere', 'Another app has this conversation in hand just now.'),
  '10/2018300': gone('thread_elsewhere', 'Another app has this conversation in hand just now.'),
  '551': gone(
    'person_unavailable',
    'The customer can’t be written to: the account may be closed, or the page blocked.',
  ),
  '100': gone('request_refused', 'Facebook doesn’t take the request.'),
  '100/33': gone(
    'unknown',
    'There is no such page or person at Facebook, or the token may not see it: check "page_id".',
  ),
  '100/2018001': gone('recipient_unknown', 'Facebook knows no such person on this page.'),
  '100/2018218': gone('no_profile', 'Facebook tells no profile of this person.'),
  '100/1893061': gone('tag_retired', 'Messenger has this tag no more.'),
  '100/2018007': gone('file_refused', 'Facebook doesn’t take the file.'),
  '100/2018008': gone('file_refused', 'Facebook could not fetch the file.'),
  '100/2018047': gone(
    'file_refused',
    'Facebook doesn’t take the file: it is no such kind of file.',
  ),
  '100/2018074': gone('file_refused', 'Facebook doesn’t know the file that was uploaded.'),
  '100/2018294': passing('file_slow', 'Facebook took too long to work on the file.'),
  '368': gone(
    'page_restricted',
    'Facebook has restricted the page or the app for breaking its policies: see the page’s support inbox.',
  ),
};

/** What an error of the Graph API means; undefined where it isn't known. 200 to 299 are permissions. */
export function knownError({ code, subcode, words }: Told): KnownError | undefined {
  if (code === undefined) return undefined;
  if (code === 100 && /appsecret_proof/i.test(words))
    return refused('secret_refused', 'The app secret doesn’t fit the token: check "app_secret".');
  if (/human.agent/i.test(words))
    return gone(
      'tag_not_allowed',
      'The app isn’t approved for the tag HUMAN_AGENT: ask for the feature "Human Agent" at Meta.',
    );
  if (code === 100 && /\btag\b/i.test(words)) return ERRORS['100/1893061'];
  const isPermission = code >= 200 && code <= 299;
  return ERRORS[`${code}/${subcode}`] ?? ERRORS[code] ?? (isPermission ? PERMISSION : undefined);
}
