import type { gmail_v1 } from './client.ts';
import { isLeftOut } from './labels.ts';
import { UNITS } from './quota.ts';
import { unknownOf, type Place } from './read.ts';

/** A mail that came, or was moved, to where the channel reads; and the change that says so. */
interface Candidate {
  readonly id: string;
  readonly historyId: string;
}

export interface HistoryPage {
  /** In the order of the changes, each mail once. */
  readonly candidates: readonly Candidate[];
  /** All changes up to this one are passed when the candidates are. */
  readonly upTo: string;
}

const PAGE = 500;
const FIELDS =
  'history(id,messagesAdded(message(id,labelIds)),labelsAdded(message(id),labelIds)),nextPageToken,historyId';

/**
 * What changed in the mailbox since `startHistoryId`
 * (https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.history/list).
 * @throws ProviderFailure `gmail.not_found` where Gmail no longer knows that id
 */
export async function* historyPages(
  place: Place,
  startHistoryId: string,
): AsyncGenerator<HistoryPage> {
  const seen = new Set<string>();
  let pageToken: string | undefined;
  do {
    const page = await place.ask(UNITS.history, (api, options) =>
      api.users.history.list(
        {
          userId: 'me',
          startHistoryId,
          // A mail that someone moves out of spam, or under a label, is added to nothing: it is labelled.
          historyTypes: ['messageAdded', 'labelAdded'],
          maxResults: PAGE,
          fields: FIELDS,
          ...(pageToken !== undefined && { pageToken }),
        },
        options,
      ),
    );
    const records = page.history ?? [];
    pageToken = page.nextPageToken ?? undefined;
    const named = records.flatMap((record) => candidatesOf(place, record, seen));
    const fresh = new Set(
      await unknownOf(
        place,
        named.map(({ id }) => id),
      ),
    );
    const candidates = named.filter(({ id }) => fresh.has(id));
    const last = pageToken === undefined ? page.historyId : records.at(-1)?.id;
    yield { candidates, upTo: last ?? startHistoryId };
  } while (pageToken !== undefined);
}

function candidatesOf(
  { filter }: Place,
  { id: historyId, messagesAdded = [], labelsAdded = [] }: gmail_v1.Schema$History,
  seen: Set<string>,
): Candidate[] {
  const came = messagesAdded
    .filter(({ message }) => filter.includes(message?.labelIds) && !isLeftOut(message?.labelIds))
    .map(({ message }) => message?.id);
  const moved = labelsAdded
    .filter(({ labelIds }) => filter.isMovedIn(labelIds))
    .map(({ message }) => message?.id);
  return [...came, ...moved].flatMap((id) => {
    if (id == null || seen.has(id)) return [];
    seen.add(id);
    return [{ id, historyId: historyId! }];
  });
}
