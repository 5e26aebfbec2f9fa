import { randomUUID } from 'node:crypto';
import type { Request } from 'express';
import {
  hasAttachments,
  headerOf,
  sizeOf,
  type SimFolder,
  type SimMailbox,
  type SimMessage,
} from './state.ts';

export interface Shown {
  readonly value: readonly object[];
  readonly '@odata.count'?: number;
  readonly '@odata.nextLink'?: string;
  readonly '@odata.deltaLink'?: string;
}

/** A query parameter; of one that came several times the first. */
export function asked({ query }: Pick<Request, 'query'>, name: string): string | undefined {
  const given = [query[name]].flat()[0];
  return typeof given === 'string' ? given : undefined;
}

/** Ids as the request prefers them (https://learn.microsoft.com/graph/outlook-immutable-id). */
function preferOf({ headers }: Request): string {
  return [headers['prefer']].flat().join(', ');
}

function prefersImmutable(request: Request): boolean {
  return /IdType="ImmutableId"/.test(preferOf(request));
}

export function shown(request: Request, message: SimMessage): Record<string, unknown> {
  const id = prefersImmutable(request) ? message.immutableId : message.id;
  const all: Record<string, unknown> = {
    '@odata.etag': 'W/"simulated"',
    id,
    receivedDateTime: message.receivedDateTime,
    subject: headerOf(message.mime, 'subject') ?? '',
    isDraft: message.isDraft,
    isRead: message.isRead,
    parentFolderId: message.folderId,
    internetMessageId: message.internetMessageId,
    hasAttachments: hasAttachments(message),
  };
  const expanded = expandedOf(request, message);
  const select = request.query['$select'];
  if (typeof select !== 'string') return { ...all, ...expanded };
  const wanted = new Set(['@odata.etag', 'id', ...select.split(',')]);
  if (wanted.has('internetMessageHeaders')) all['internetMessageHeaders'] = headersOf(message);
  const chosen = Object.fromEntries(Object.entries(all).filter(([name]) => wanted.has(name)));
  return { ...chosen, ...expanded };
}

/**
 * PidTagMessageSize (https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get), whose number Graph
 * spells in its own way. @throws Error for what is not played
 */
function expandedOf(request: Request, message: SimMessage): Record<string, unknown> {
  const expand = asked(request, '$expand');
  if (expand === undefined) return {};
  const [, type] =
    /^singleValueExtendedProperties\(\$filter=id eq '(Integer|Long) 0x0?E08'\)$/i.exec(expand) ??
    [];
  if (type === undefined) throw new Error(`The expansion "${expand}" is not understood.`);
  return {
    singleValueExtendedProperties: [{ id: `${type} 0xe08`, value: String(sizeOf(message)) }],
  };
}

function headersOf({ mime }: SimMessage): { name: string; value: string }[] {
  const [head] = mime.toString('latin1').split(/\r?\n\r?\n/, 1);
  return head!
    .replace(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)
    .map((line) => line.split(/:\s*/, 2))
    .filter((parts) => parts.length === 2)
    .map(([name, value]) => ({ name: name!, value: value! }));
}

/** A list of messages, filtered, ordered and paged. @throws Error for what Graph would refuse */
export function list(request: Request, base: string, messages: readonly SimMessage[]): Shown {
  const filtered = messages.filter(filterOf(asked(request, '$filter')));
  const byTime = (one: SimMessage) => Date.parse(one.receivedDateTime);
  const order = asked(request, '$orderby') ?? 'receivedDateTime desc';
  if (!/^receivedDateTime( asc| desc)?$/.test(order))
    throw new Error('Only receivedDateTime can be ordered by here.');
  const sign = order.endsWith('desc') ? -1 : 1;
  const sorted = filtered.toSorted((a, b) => sign * (byTime(a) - byTime(b)));
  const skip = Number(asked(request, '$skip') ?? 0);
  const top = Math.min(Number(asked(request, '$top') ?? 10), 1000);
  const page = sorted.slice(skip, skip + top);
  const next = new URL(base + request.originalUrl);
  next.searchParams.set('$skip', String(skip + top));
  return {
    value: page.map((message) => shown(request, message)),
    ...(request.query['$count'] === 'true' && { '@odata.count': sorted.length }),
    ...(skip + top < sorted.length && { '@odata.nextLink': next.href }),
  };
}

function filterOf(text: string | undefined): (message: SimMessage) => boolean {
  if (text === undefined) return () => true;
  const time = /^receivedDateTime (ge|gt) ([\dTZ:.-]+)$/.exec(text);
  if (time) {
    const bound = Date.parse(time[2]!);
    return ({ receivedDateTime }) =>
      time[1] === 'ge'
        ? Date.parse(receivedDateTime) >= bound
        : Date.parse(receivedDateTime) > bound;
  }
  const id = /^internetMessageId eq '(.*)'$/.exec(text);
  if (id) return ({ internetMessageId }) => internetMessageId === id[1]!.replaceAll("''", "'");
  throw new Error(`The filter "${text}" is not understood.`);
}

interface DeltaState {
  readonly folderId: string;
  readonly changeType: string | undefined;
  readonly select: unknown;
  /** Immutable ids still to be told, in this order. */
  readonly rest: readonly string[];
  readonly removed: readonly string[];
  /** Changes up to here are told when `rest` is. */
  readonly upTo: number;
}

/** The tokens of a folder's delta queries: each can be used again, and all go when the vendor forgets them. */
export class DeltaTokens {
  readonly #states = new Map<string, DeltaState>();

  /** As after days of silence: every token is answered 410. */
  forget(): void {
    this.#states.clear();
  }

  /** @returns null where the token is not known (any more) */
  answer(request: Request, base: string, mailbox: SimMailbox, folder: SimFolder): Shown | null {
    const state = this.#stateOf(request, mailbox, folder);
    if (!state) return null;
    const size = Number(/odata\.maxpagesize=(\d+)/.exec(preferOf(request))?.[1] ?? 10);
    const page = state.rest.slice(0, size);
    const after = { ...state, rest: state.rest.slice(size), removed: [] };
    const isLast = after.rest.length === 0;
    const next = new URL(`${base}${request.baseUrl}${request.path}`);
    next.searchParams.set(isLast ? '$deltatoken' : '$skiptoken', this.#keep(after));
    const asShown = Object.create(request, {
      query: { value: { $select: state.select } },
    }) as Request;
    return {
      value: [
        ...page
          .flatMap((id) => mailbox.message(id) ?? [])
          .map((message) => shown(asShown, message)),
        ...state.removed.map((id) => ({ id, '@removed': { reason: 'deleted' } })),
      ],
      [isLast ? '@odata.deltaLink' : '@odata.nextLink']: next.href,
    };
  }

  /** Undefined where the token is not known. */
  #stateOf(request: Request, mailbox: SimMailbox, folder: SimFolder): DeltaState | undefined {
    const skip = asked(request, '$skiptoken');
    if (skip !== undefined) return this.#states.get(skip);
    const delta = asked(request, '$deltatoken');
    if (delta === undefined) return first(request, mailbox, folder);
    const last = this.#states.get(delta);
    return last && round(mailbox, last);
  }

  #keep(state: DeltaState): string {
    const token = randomUUID().replaceAll('-', '');
    this.#states.set(token, state);
    return token;
  }
}

/** All there is, in no order that could be relied on. */
function first(request: Request, mailbox: SimMailbox, folder: SimFolder): DeltaState {
  const ids = [...mailbox.messages.values()]
    .filter(({ folderId }) => folderId === folder.id)
    .map(({ immutableId }) => immutableId);
  return {
    folderId: folder.id,
    changeType: asked(request, 'changeType'),
    select: asked(request, '$select'),
    rest: ids.toReversed(),
    removed: [],
    upTo: mailbox.changes.length,
  };
}

/** What changed since the last round was told to its end. */
function round(mailbox: SimMailbox, last: DeltaState): DeltaState {
  const changes = mailbox.changes
    .slice(last.upTo)
    .filter(({ folderId }) => folderId === last.folderId);
  const told = (kind: string) => last.changeType === undefined || last.changeType === kind;
  const isHere = (id: string) => mailbox.messages.get(id)?.folderId === last.folderId;
  const present = changes
    .filter(({ kind, immutableId }) => kind !== 'deleted' && told(kind) && isHere(immutableId))
    .map(({ immutableId }) => immutableId);
  return {
    ...last,
    rest: [...new Set(present)].toReversed(),
    removed: changes.filter(({ kind }) => kind === 'deleted' && told(kind)).map(({ id }) => id),
    upTo: mailbox.changes.length,
  };
}
