import type { Graph } from './client.ts';

export interface ListedMail {
  readonly id: string;
  /** Whole seconds. */
  readonly receivedDateTime: string;
  /** Without those shown in the text; left out where Graph does not tell. */
  readonly hasAttachments?: boolean | undefined;
}

/** What is asked of a mail before its bytes are. */
const SELECT = '$select=id,receivedDateTime,isDraft,hasAttachments';
const PERMISSION = 'Mail.Read';
/** Ids alone: pages may be large. */
const BASELINE_PAGE = 500;
const MOST_LISTED = 1000;

interface Entry {
  readonly id: string;
  readonly receivedDateTime?: string;
  readonly isDraft?: boolean;
  readonly hasAttachments?: boolean;
  readonly '@removed'?: unknown;
}

interface Answer {
  readonly value: readonly Entry[];
  readonly '@odata.nextLink'?: string;
  readonly '@odata.deltaLink'?: string;
}

export interface DeltaPage {
  readonly mails: readonly ListedMail[];
  /** Query of the next request; `isLast`: of the next round. */
  readonly link: string;
  readonly isLast: boolean;
}

/**
 * A page of what came into the folder; with `link` null, of all that is in it
 * (https://learn.microsoft.com/graph/api/message-delta). Its order is not defined: sorted by time here, oldest first.
 * @throws ProviderFailure `microsoft365.cursor_expired`
 */
export async function deltaPage(
  graph: Graph,
  folder: string,
  link: string | null,
  pageSize = BASELINE_PAGE,
): Promise<DeltaPage> {
  const answer = await graph.ask<Answer>({
    method: 'GET',
    path: `${folder}/messages/delta${link ?? `?changeType=created&${SELECT}`}`,
    prefer: `odata.maxpagesize=${pageSize}`,
    permission: PERMISSION,
  });
  const next = answer['@odata.nextLink'] ?? answer['@odata.deltaLink'];
  if (next === undefined) throw new Error('Graph ended a delta query without a link to go on by.');
  // Only the token is kept of it: requests go to the address that the settings name.
  return {
    mails: incoming(answer.value),
    link: new URL(next).search,
    isLast: answer['@odata.nextLink'] === undefined,
  };
}

/**
 * The next mails from `at` on, oldest first, without those in `known`; empty at the end.
 * (https://learn.microsoft.com/graph/api/mailfolder-list-messages)
 */
export async function mailsFrom(
  graph: Graph,
  folder: string,
  at: string,
  known: ReadonlySet<string>,
  pageSize: number,
): Promise<readonly ListedMail[]> {
  // What is known of this second comes again.
  const top = Math.min(pageSize + known.size, MOST_LISTED);
  const filter = encodeURIComponent(`receivedDateTime ge ${at}`);
  const order = encodeURIComponent('receivedDateTime asc');
  let query: string | undefined = `?${SELECT}&$filter=${filter}&$orderby=${order}&$top=${top}`;
  while (query !== undefined) {
    const answer: Answer = await graph.ask<Answer>({
      method: 'GET',
      path: `${folder}/messages${query}`,
      permission: PERMISSION,
    });
    const fresh = incoming(answer.value).filter(
      (mail) => !known.has(mail.id) && timeOf(mail) >= Date.parse(at),
    );
    if (fresh.length > 0) return fresh;
    const next: string | undefined = answer['@odata.nextLink'];
    query = next === undefined ? undefined : new URL(next).search;
  }
  return [];
}

/** Not drafts, and not what went away. */
function incoming(entries: readonly Entry[]): ListedMail[] {
  return entries
    .filter((entry) => entry['@removed'] === undefined && entry.isDraft !== true)
    .map(({ id, receivedDateTime = '', hasAttachments }) => ({
      id,
      receivedDateTime,
      hasAttachments,
    }))
    .sort((a, b) => timeOf(a) - timeOf(b));
}

export function timeOf({ receivedDateTime }: Pick<ListedMail, 'receivedDateTime'>): number {
  return Date.parse(receivedDateTime) || 0;
}
