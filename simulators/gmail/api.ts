import type { Request, Response, Router } from 'express';
import { answerError, errorBody, ERRORS, type GoogleError } from './answers.ts';
import { batchAnswer, batchParts } from './batch.ts';
import { masked } from './fields.ts';
import { readHeader, readHeaders, withHeader } from './headers.ts';
import type { Change, Mailbox, StoredMessage } from './mailbox.ts';
import type { Quota } from './quota.ts';
import { searchFor } from './search.ts';
import { uploadOf } from './upload.ts';

/** An account as the API sees it. */
export interface ServedAccount {
  readonly mailbox: Mailbox;
  readonly quota: Quota;
  watch: { topic: string; labelIds: readonly string[]; expiration: number } | null;
  /** Answers the next send so, and sends nothing. */
  refuseSend: GoogleError | null;
  /** Mails that Gmail fails at, though it gives their headers. */
  readonly unreadable: Set<string>;
  /** Gives what is sent another Message-ID, as Gmail does with ids that don't please it. */
  rewritesMessageIds: boolean;
}

interface Known {
  readonly account: ServedAccount;
  readonly scopes: readonly string[];
}

export interface ApiOptions {
  /** Whose token it is. */
  readonly bearer: (request: Request) => Promise<Known | null>;
  /** What the next request within a batch is to meet, if it is to fail. */
  readonly failure: () => GoogleError | null;
  /** Why the API's description does not allow a request within a batch; null where it does. */
  readonly problem: (method: string, url: URL) => Promise<string | null>;
  readonly watchLifeMs: () => number;
}

const RIGHT = 'https://www.googleapis.com/auth/gmail';
const READING = ['https://mail.google.com/', `${RIGHT}.readonly`, `${RIGHT}.modify`];
const SENDING = ['https://mail.google.com/', `${RIGHT}.send`, `${RIGHT}.modify`, `${RIGHT}.compose`]; // prettier-ignore
const CHANGING = ['https://mail.google.com/', `${RIGHT}.modify`];

class Refusal extends Error {
  readonly error: GoogleError;
  constructor(error: GoogleError) {
    super(error.message);
    this.error = error;
  }
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly userId: unknown;
  readonly query: URLSearchParams;
}

/** What a known caller is answered: within its scopes, its own account and its quota. */
async function answerTo(
  { account, scopes: granted }: Known,
  scopes: readonly string[],
  { method, path, userId, query }: Asked,
  work: () => unknown,
): Promise<{ status: number; body?: unknown }> {
  try {
    if (!scopes.some((scope) => granted.includes(scope))) throw new Refusal(ERRORS.scopes);
    if (userId !== 'me' && userId !== account.mailbox.address)
      throw new Refusal({ status: 403, reason: 'forbidden', message: 'Delegation denied' });
    if (!account.quota.allows(`${method} ${path}`)) throw new Refusal(ERRORS.quota);
    const answer = await work();
    if (answer === undefined) return { status: 204 };
    return { status: 200, body: masked(answer, query.get('fields') ?? undefined) };
  } catch (error) {
    if (error instanceof Refusal)
      return { status: error.error.status, body: errorBody(error.error) };
    if (!(error instanceof RangeError)) throw error;
    const { message } = error;
    return {
      status: 400,
      body: errorBody({ status: 400, reason: 'invalidArgument', message }),
    };
  }
}

type Serve = (account: ServedAccount, request: Request, query: URLSearchParams) => unknown;

/** The methods of the Gmail API (https://developers.google.com/workspace/gmail/api/reference/rest) that are played. */
export function gmailRoutes(
  api: Router,
  { bearer, failure, problem, watchLifeMs }: ApiOptions,
): void {
  const user = '/gmail/v1/users/:userId';
  const upload = `/upload${user}`;

  const serve =
    (scopes: readonly string[], work: Serve) => async (request: Request, response: Response) => {
      const known = await bearer(request);
      if (!known) return answerError(response, ERRORS.badToken);
      const query = new URL(request.originalUrl, 'http://vendor').searchParams;
      const asked = { method: request.method, path: request.path, userId: request.params.userId };
      const { status, body } = await answerTo(known, scopes, { ...asked, query }, () =>
        work(known.account, request, query),
      );
      if (body === undefined) response.status(status).end();
      else response.status(status).json(body);
    };

  api.get(
    `${user}/profile`,
    serve(READING, ({ mailbox }) => ({
      emailAddress: mailbox.address,
      messagesTotal: mailbox.messages.length,
      historyId: String(mailbox.historyId),
    })),
  );
  api.get(
    `${user}/labels`,
    serve(READING, ({ mailbox }) => ({
      labels: [...mailbox.labels].map(([id, name]) => ({ id, name })),
    })),
  );
  api.get(`${user}/history`, serve(READING, history));
  api.get(`${user}/messages`, serve(READING, list));
  api.get(
    `${user}/messages/:id`,
    serve(READING, (account, { params }, query) => get(account, String(params.id), query)),
  );
  api.post('/batch/gmail/v1', async (request, response) => {
    const known = await bearer(request);
    if (!known) return answerError(response, ERRORS.badToken);
    const parts = batchParts(request);
    if (!parts || parts.length > 100)
      return answerError(response, { status: 400, reason: 'badRequest', message: 'Not a batch of at most 100' }); // prettier-ignore
    const answers = [];
    for (const { contentId, method, url } of parts) {
      const [, userId, id] =
        /^\/gmail\/v1\/users\/([^/]+)\/messages\/([^/]+)$/.exec(url.pathname) ?? [];
      const reason =
        (await problem(method, url)) ??
        (method === 'GET' && id !== undefined ? null : `${method} ${url.pathname} is not played`);
      const asked = { method, path: url.pathname, userId, query: url.searchParams };
      const answer = await answerTo(known, READING, asked, () => {
        if (reason !== null) throw new RangeError(reason);
        const error = failure();
        if (error) throw new Refusal(error);
        return get(known.account, id!, url.searchParams);
      });
      answers.push({ contentId, ...answer });
    }
    batchAnswer(response, answers);
  });
  api.post(
    `${user}/messages/:id/modify`,
    serve(CHANGING, (account, request) => {
      const message = found(account, String(request.params.id));
      const { addLabelIds = [], removeLabelIds = [] } = request.body as Record<string, string[]>;
      account.mailbox.label(message.id, addLabelIds, removeLabelIds);
      return shown(message);
    }),
  );
  for (const prefix of [user, upload]) {
    api.post(`${prefix}/messages/send`, serve(SENDING, send));
    api.post(
      `${prefix}/messages/import`,
      serve(CHANGING, ({ mailbox }, request) => shown(mailbox.deliver(uploadOf(request).raw))),
    );
  }
  api.post(
    `${user}/watch`,
    serve(READING, (account, request) => watch(account, request, watchLifeMs())),
  );
  api.post(
    `${user}/stop`,
    serve(READING, (account) => {
      account.watch = null;
    }),
  );
}

function shown({ id, threadId, labels, historyId, internalDate, raw }: StoredMessage) {
  return {
    id,
    threadId,
    labelIds: [...labels],
    historyId: String(historyId),
    internalDate: String(internalDate),
    sizeEstimate: raw.length,
  };
}

function found({ mailbox }: ServedAccount, id: string): StoredMessage {
  const message = mailbox.find(id);
  if (!message) throw new Refusal(ERRORS.gone);
  return message;
}

function get(account: ServedAccount, id: string, query: URLSearchParams) {
  const message = found(account, id);
  const answer = shown(message);
  const format = query.get('format') ?? 'full';
  if (account.unreadable.has(id) && format !== 'metadata')
    throw new Refusal({
      status: 500,
      reason: 'backendError',
      message: 'Internal error encountered.',
    });
  if (format === 'minimal') return answer;
  if (format === 'raw') return { ...answer, raw: message.raw.toString('base64url') };
  const wanted = query.getAll('metadataHeaders').map((name) => name.toLowerCase());
  const headers = readHeaders(message.raw).filter(
    ({ name }) => wanted.length === 0 || wanted.includes(name.toLowerCase()),
  );
  return { ...answer, payload: { headers } };
}

function list({ mailbox }: ServedAccount, _request: Request, query: URLSearchParams) {
  const test = searchFor(query.get('q') ?? '');
  const labels = query.getAll('labelIds');
  const hidden = query.get('includeSpamTrash') === 'true' ? [] : ['SPAM', 'TRASH'];
  const matching = mailbox.messages.filter(
    (message) =>
      test(message) &&
      labels.every((label) => message.labels.has(label)) &&
      !hidden.some((label) => message.labels.has(label)),
  );
  const { items, nextPageToken } = page(matching, query);
  return {
    ...(items.length > 0 && { messages: items.map(({ id, threadId }) => ({ id, threadId })) }),
    ...(nextPageToken !== null && { nextPageToken }),
    resultSizeEstimate: matching.length,
  };
}

function history({ mailbox }: ServedAccount, _request: Request, query: URLSearchParams) {
  const start = query.get('startHistoryId');
  if (start === null)
    throw new Refusal({
      status: 400,
      reason: 'invalidArgument',
      message: 'Missing startHistoryId',
    });
  const changes = mailbox.changesSince(BigInt(start));
  if (!changes) throw new Refusal(ERRORS.gone);
  const types = query.getAll('historyTypes');
  const label = query.get('labelId');
  const matching = changes.filter(
    ({ kind, labelIds }) =>
      (types.length === 0 || types.includes(kind)) && (label === null || labelIds.includes(label)),
  );
  const { items, nextPageToken } = page(matching, query);
  return {
    ...(items.length > 0 && { history: items.map(record) }),
    ...(nextPageToken !== null && { nextPageToken }),
    historyId: String(mailbox.historyId),
  };
}

function record({ id, kind, messageId, threadId, labelIds }: Change) {
  const message = { id: messageId, threadId };
  const withLabels = { message: { ...message, labelIds } };
  const changed = { message, labelIds };
  return {
    id: String(id),
    messages: [message],
    ...(kind === 'messageAdded' && { messagesAdded: [withLabels] }),
    ...(kind === 'messageDeleted' && { messagesDeleted: [{ message }] }),
    ...(kind === 'labelAdded' && { labelsAdded: [changed] }),
    ...(kind === 'labelRemoved' && { labelsRemoved: [changed] }),
  };
}

/** Pages of at most 500, 100 where nothing is asked for. */
function page<T>(all: readonly T[], query: URLSearchParams) {
  const size = Math.min(500, Number(query.get('maxResults') ?? 100));
  const from = Number(query.get('pageToken') ?? 0);
  const end = from + size;
  return {
    items: all.slice(from, end),
    nextPageToken: end < all.length ? String(end) : null,
  };
}

function send(account: ServedAccount, request: Request) {
  const { mailbox } = account;
  if (account.refuseSend) {
    const error = account.refuseSend;
    account.refuseSend = null;
    throw new Refusal(error);
  }
  const { threadId, raw } = uploadOf(request);
  if (!/@/.test(readHeader(raw, 'to') ?? '')) throw new Refusal(ERRORS.recipient);
  const known = threadId === null ? null : mailbox.messages.find((m) => m.threadId === threadId);
  if (threadId !== null && !known) throw new Refusal(ERRORS.gone);
  const kept = account.rewritesMessageIds
    ? withHeader(raw, 'Message-ID', `<CA${Date.now()}.${mailbox.messages.length}@mail.gmail.com>`)
    : raw;
  // Its thread is kept only where the mail says itself that it belongs there.
  const answers = readHeader(raw, 'references') !== null || readHeader(raw, 'in-reply-to') !== null;
  const sent = mailbox.deliver(kept, {
    labels: ['SENT'],
    ...(known && answers && { threadId: known.threadId }),
  });
  const { id, threadId: inThread, labels } = sent;
  return { id, threadId: inThread, labelIds: [...labels] };
}

function watch(account: ServedAccount, { body }: Request, lifeMs: number) {
  const { topicName, labelIds = [] } = body as { topicName?: string; labelIds?: string[] };
  if (topicName === undefined)
    throw new Refusal({ status: 400, reason: 'invalidArgument', message: 'topicName required' });
  if (/forbidden/.test(topicName))
    throw new Refusal({
      status: 403,
      reason: 'forbidden',
      message:
        'Error sending test message to Cloud PubSub projects/simulated : User not authorized to perform this action.',
    });
  if (account.watch && account.watch.topic !== topicName)
    throw new Refusal({
      status: 400,
      reason: 'failedPrecondition',
      message:
        'Only one user push notification client allowed per developer (call /stop then try again)',
    });
  const expiration = Date.now() + lifeMs;
  account.watch = { topic: topicName, labelIds, expiration };
  return { historyId: String(account.mailbox.historyId), expiration: String(expiration) };
}
