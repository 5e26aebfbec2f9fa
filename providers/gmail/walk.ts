import type { FetchedItem } from '../contract.ts';
import { compareIds, isLater, type GmailCursor } from './cursor.ts';
import { UNITS } from './quota.ts';
import { getMessage, readMail, receivedAt, type Place } from './read.ts';

const PAGE = 500;
const DAY_MS = 86_400_000;

/**
 * The ids of all mail since then that the channel reads, in the order of their ids. Spam and trash are not listed
 * (https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/list).
 */
export async function listAll(place: Place, since: string): Promise<string[]> {
  const { filter } = place;
  const found = new Set<string>();
  // Several labels in one request would mean mail that carries all of them.
  for (const label of filter.ids.length > 0 ? filter.ids : [undefined])
    for await (const id of list(place, since, label)) found.add(id);
  return [...found].sort(compareIds);
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

/**
 * What is left of a walk, and how its mails are read. After a lost history only what changed since is new: mail of
 * that time is read at once; older mail is first asked whether it changed (moved out of spam, labelled).
 */
export async function readerFor(
  place: Place,
  { walk, since }: GmailCursor,
  listed?: readonly string[],
): Promise<{ ids: readonly string[]; read: (id: string) => Promise<FetchedItem | null> }> {
  const { after, upTo, changedSince } = walk!;
  const all = listed ?? (await listAll(place, since!));
  const ids = all.filter(
    (id) => (after === null || compareIds(id, after) > 0) && compareIds(id, upTo) <= 0,
  );
  if (!changedSince) {
    // Seconds, as the channel's creation is not meant to the millisecond.
    const from = Math.floor(Date.parse(since!) / 1000) * 1000;
    return { ids, read: (id) => readMail(place, id, (mail) => receivedAt(mail).getTime() >= from) };
  }
  const dayBefore = new Date(Date.parse(changedSince.at) - DAY_MS).toISOString();
  const recent = new Set(await listAll(place, dayBefore));
  const isChanged = ({ historyId }: { historyId?: string | null }) =>
    isLater(historyId, changedSince.historyId);
  return {
    ids,
    read: async (id) => {
      if (!recent.has(id)) {
        const mail = await getMessage(place, id, { format: 'minimal', fields: 'historyId' });
        if (!mail || !isChanged(mail)) return null;
      }
      return readMail(place, id, isChanged);
    },
  };
}
