const RIGHT = 'https://www.googleapis.com/auth/gmail';

/**
 * The least that does: `readonly` lists, searches, reads, follows the history and watches; `send` sends and reads
 * nothing. `modify` would do alone, and could change all mail (https://developers.google.com/workspace/gmail/api/auth/scopes).
 */
export const SCOPES = [`${RIGHT}.readonly`, `${RIGHT}.send`] as const;

const ALL = 'https://mail.google.com/';
const READING = [ALL, `${RIGHT}.readonly`, `${RIGHT}.modify`];
const SENDING = [ALL, `${RIGHT}.send`, `${RIGHT}.modify`, `${RIGHT}.compose`];

/** What granted scopes don't allow, in plain words. */
export function missingScopes(granted: readonly string[]): string[] {
  const has = (those: readonly string[]) => those.some((scope) => granted.includes(scope));
  return [
    ...(has(READING) ? [] : ['reading mail (gmail.readonly)']),
    ...(has(SENDING) ? [] : ['sending mail (gmail.send)']),
  ];
}
