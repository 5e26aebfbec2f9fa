import { Readable } from 'node:stream';
import { ProviderFailure } from '../../domain/failure.ts';
import type { OutgoingMessage, SendReceipt } from '../contract.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { composeMail } from '../submission.ts';
import type { GmailCall } from './call.ts';
import { apiFor, askOnce, gmailApi, type Ask } from './client.ts';
import { mayHaveHappened } from './failure.ts';
import { UNITS } from './quota.ts';
import { getMessage } from './read.ts';

/**
 * Our own Message-ID, kept where Gmail puts another in its place: it does so for ids that don't please it, and then
 * `rfc822msgid:` no longer finds ours.
 */
const OWN_ID_HEADER = 'X-Postroom-Message-ID';
/** A send is tried for a day. */
const LOOK_BACK = 'newer_than:2d';
const MOST_LOOKED_AT = 200;

/**
 * Sends one mail as raw MIME by upload (messages.send takes up to 35 MB so), in the thread of the mail it answers.
 * @throws ProviderFailure; `uncertain` where the answer never came
 */
export async function send(
  call: GmailCall,
  message: OutgoingMessage,
  transmitting: () => Promise<void>,
): Promise<SendReceipt> {
  const mail = composeMail(message);
  mail.setHeader(OWN_ID_HEADER, `<${message.messageId}>`);
  const content = await withHeartbeats(call, () => mail.build());
  const ask = gmailApi(call);
  const threadId = await threadOf(ask, message.inReplyTo);
  const transmission = new Transmission(transmitting);
  const sent = await withHeartbeats(call, () => transmit(call, transmission, content, threadId));
  const messageId = await givenId(call, ask, sent.id);
  return {
    providerMessageId: sent.id ?? null,
    ...(messageId !== null && messageId !== message.messageId && { messageId }),
    response: `200 Gmail took it as ${sent.id} in thread ${sent.threadId}`,
  };
}

/** The Message-ID that the mail went out with; null where that can't be asked: it is sent all the same. */
async function givenId(call: GmailCall, ask: Ask, id: string | null | undefined) {
  if (id == null) return null;
  try {
    const mail = await getMessage({ ask }, id, {
      format: 'metadata',
      metadataHeaders: ['Message-ID'],
      fields: 'payload(headers)',
    });
    const header = mail?.payload?.headers?.find(({ name }) => /^message-id$/i.test(name ?? ''));
    return header?.value?.replace(/[<>\s]/g, '') ?? null;
  } catch (error) {
    call.log.warn({ err: error }, 'a sent mail’s Message-ID could not be looked at');
    return null;
  }
}

/** Notes once that the mail may go out; the caller's own error stays what it is. */
class Transmission {
  readonly #note: () => Promise<void>;
  #isNoted = false;
  refusal: { readonly error: unknown } | null = null;

  constructor(note: () => Promise<void>) {
    this.#note = note;
  }

  async begin(): Promise<void> {
    if (this.#isNoted) return;
    try {
      await this.#note();
      this.#isNoted = true;
    } catch (error) {
      this.refusal = { error };
      throw error;
    }
  }

  get hasBegun(): boolean {
    return this.#isNoted;
  }
}

async function transmit(
  call: GmailCall,
  transmission: Transmission,
  content: Buffer,
  threadId: string | null,
) {
  const api = apiFor(call);
  const attempt = () =>
    askOnce(call, api, async (api, options) => {
      call.signal.throwIfAborted();
      await transmission.begin();
      return api.users.messages.send(
        {
          userId: 'me',
          fields: 'id,threadId',
          requestBody: threadId === null ? {} : { threadId },
          media: { mimeType: 'message/rfc822', body: Readable.from([content]) },
        },
        options,
      );
    });
  try {
    return await attempt().catch((error: unknown) => {
      // A refused token: nothing was sent, and the next one is another.
      if (isRefusedToken(error)) return attempt();
      throw error;
    });
  } catch (error) {
    if (transmission.refusal) throw transmission.refusal.error;
    if (!transmission.hasBegun) throw error;
    throw told(error);
  }
}

function isRefusedToken(error: unknown): boolean {
  return (
    error instanceof ProviderFailure &&
    error.code === 'gmail.token_refused' &&
    error.class === 'retry'
  );
}

/** What a failure after the beginning says of whether it went out. */
function told(error: unknown): unknown {
  const isFailure = error instanceof ProviderFailure;
  if (isFailure && !mayHaveHappened(error)) return error;
  return new ProviderFailure(
    {
      code: isFailure ? error.code : 'gmail.answer_lost',
      class: 'retry',
      message: isFailure
        ? `${error.message} It is not known whether the mail went out.`
        : 'The transmission broke off: it is not known whether the mail went out.',
      uncertain: true,
      ...(isFailure && { status: error.status }),
    },
    { cause: error },
  );
}

/** The thread that holds the mail with this Message-ID; null where there is none, or the id can't be asked for. */
async function threadOf(ask: Ask, messageId: string | null): Promise<string | null> {
  const [found] = messageId === null ? [] : await search(ask, messageId, 'messages(threadId)');
  return found?.threadId ?? null;
}

/**
 * Whether a mail of ours went out: found by its Message-ID, or, where Gmail gave it another, among the last sent ones;
 * null where there are too many of those. @throws ProviderFailure
 */
export async function findSent(call: GmailCall, messageId: string): Promise<boolean | null> {
  const ask = gmailApi(call);
  if ((await search(ask, messageId, 'messages(id)')).length > 0) return true;
  const { messages = [], nextPageToken } = await ask(UNITS.list, (api, options) =>
    api.users.messages.list(
      {
        userId: 'me',
        labelIds: ['SENT'],
        q: LOOK_BACK,
        includeSpamTrash: true,
        maxResults: MOST_LOOKED_AT,
        fields: 'messages(id),nextPageToken',
      },
      options,
    ),
  );
  for (const { id } of messages) {
    call.heartbeat();
    const mail = await getMessage({ ask }, id!, {
      format: 'metadata',
      metadataHeaders: [OWN_ID_HEADER],
      fields: 'payload(headers)',
    });
    if (mail?.payload?.headers?.some(({ value }) => value === `<${messageId}>`)) return true;
  }
  return nextPageToken == null ? false : null;
}

async function search(ask: Ask, messageId: string, fields: string) {
  if (!/^[^\s"(){}<>]+$/.test(messageId)) return []; // would be read as more than one term
  const { messages = [] } = await ask(UNITS.list, (api, options) =>
    api.users.messages.list(
      {
        userId: 'me',
        q: `rfc822msgid:${messageId}`,
        includeSpamTrash: true,
        maxResults: 1,
        fields,
      },
      options,
    ),
  );
  return messages;
}
