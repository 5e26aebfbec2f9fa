import type { gmail_v1 } from './client.ts';
import { compareIds, type GmailCursor } from './cursor.ts';
import { UNITS } from './quota.ts';
import { receivedAt, unknownOf, type Place } from './read.ts';

const PAGE = 500;

/**
 * The ids of all mail since then that the channel reads and does not have, in the order of their ids. Spam and trash are not listed
 * (https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/list).
 */
export async function listAll(place: Place, since: string): Promise<string[]> {
  const { filter } = place;
  const found = new Set<string>();
  // Several labels in one request would mean mail that carries all of them.
  for (const label of filter.ids.length > 0 ? filter.ids : [undefined])
    for await (const id of list(place, since, label)) found.add(id);
  return (await unknownOf(place, [...found])).sort(compareIds);
}

async function* list(
  { call, ask }: Place,
  since: string,
  label: string | undefined,
): AsyncGenerator<string> {
  // Whole seconds, and whether the bound itself is in isn't said: one less, and the time is looked at when read.
  const q = `after:${Math.max(0, Math.floor(Date.parse(since) / 1000) - 1)}`;
  let pageToken: string | undefined;
  do {
    const page = await ask(UNITS.list, (api, options) =>
      api.users.messages.list(
        {
          userId: 'me',
          q,
          maxResults: PAGE,
          fields: 'messages(id),nextPageToken',
          ...(label !== undefined && { labelIds: [label] }),
          ...(pageToken !== undefined && { pageToken }),
        },
        options,
      ),
    );
    call.heartbeat();
    for (const { id } of page.messages ?? []) if (id != null) yield id;
    pageToken = page.nextPageToken ?? undefined;
  } while (pageToken !== undefined);
}

/** What is left of a walk: mail that came after its beginning is told by the history. */
export function restOf({ walk }: GmailCursor, ids: readonly string[]): readonly string[] {
  const { after, upTo } = walk!;
  return ids.filter(
    (id) => (after === null || compareIds(id, after) > 0) && compareIds(id, upTo) <= 0,
  );
}

/** Whether a mail is as new as was wanted; in whole seconds, as a channel's creation isn't meant to the millisecond. */
export function isSince(since: string): (mail: gmail_v1.Schema$Message) => boolean {
  const from = Math.floor(Date.parse(since) / 1000) * 1000;
  return (mail) => receivedAt(mail).getTime() >= from;
}
