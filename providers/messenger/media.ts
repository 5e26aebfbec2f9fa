import { Readable } from 'node:stream';
import { z } from 'zod';
import type { MediaReference } from '../../domain/chat.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import { explainNetworkError } from '../../security/network-error.ts';
import { asked, graphRequest, type MessengerCall } from './client.ts';
import { placeOfMedia } from './media-reference.ts';

/** What a link that has ended is answered with. */
const ENDED = new Set([401, 403, 404, 410]);
const MOST_REDIRECTS = 3;

interface FetchedFile {
  readonly content: Readable;
  readonly contentType: string | null;
}

/**
 * Fetches a file by the link that came with its message. Such links end; a fresh one is asked for by the message.
 * @throws ProviderFailure `give_up` where it is gone for good
 */
export async function fetchMedia(call: MessengerCall, media: MediaReference): Promise<FetchedFile> {
  const found = media.url === null ? null : await follow(call, media.url);
  if (found) return found;
  const fresh = await freshLink(call, media);
  return (fresh === null ? null : await follow(call, fresh)) ?? gone();
}

/** Null where the link has ended. */
async function follow(call: MessengerCall, first: string): Promise<FetchedFile | null> {
  let url = first;
  for (let n = 0; n <= MOST_REDIRECTS; n += 1) {
    const response = await answered(call, url);
    const next = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && next !== null) {
      await response.body?.cancel();
      url = new URL(next, url).href;
      continue;
    }
    if (response.ok && response.body) {
      const content = Readable.fromWeb(response.body);
      return { content, contentType: response.headers.get('content-type') };
    }
    await response.body?.cancel();
    if (ENDED.has(response.status)) return null;
    throw failure(response.status);
  }
  throw failure(310);
}

/** The headers must be there in time; the file itself takes as long as whoever reads it lets it. */
async function answered(call: MessengerCall, url: string): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error('No answer in time.')), call.timeoutMs);
  try {
    // No token goes along: the link alone is enough.
    return await call.network.fetch(url, { signal: AbortSignal.any([call.signal, late.signal]) });
  } catch (error) {
    call.signal.throwIfAborted();
    const { code, message } = explainNetworkError(error);
    throw new ProviderFailure(
      {
        code: 'messenger.file_unreachable',
        class: code === 'target_refused' || code === 'bad_port' ? 'give_up' : 'retry',
        message: `The file can’t be fetched: ${message}`,
      },
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

const link = z.looseObject({ url: z.string().optional() }).optional().catch(undefined);
const Attachments = z.looseObject({
  attachments: z
    .looseObject({
      data: z
        .array(
          z.looseObject({
            file_url: z.string().optional().catch(undefined),
            image_data: link,
            video_data: link,
          }),
        )
        .catch([]),
    })
    .optional()
    .catch(undefined),
});

/** https://developers.facebook.com/docs/graph-api/reference/message/attachments */
async function freshLink(call: MessengerCall, { id }: MediaReference): Promise<string | null> {
  const media = placeOfMedia(id);
  if (!media) return null;
  const path = `/${encodeURIComponent(media.mid)}`;
  const request = await graphRequest(call, 'GET', path, { query: { fields: 'attachments' } });
  try {
    const { attachments } = await asked(call, request, Attachments);
    const file = attachments?.data[media.place];
    return file?.file_url ?? file?.image_data?.url ?? file?.video_data?.url ?? null;
  } catch (error) {
    if (error instanceof ProviderFailure && error.class === 'give_up') return null;
    throw error;
  }
}

function gone(): never {
  throw new ProviderFailure({
    code: 'messenger.file_gone',
    class: 'give_up',
    message: 'The link to the file has ended, and Facebook gives no new one.',
  });
}

function failure(status: number): ProviderFailure {
  const passes = status >= 500 || status === 429 || status === 408;
  return new ProviderFailure({
    code: 'messenger.file_refused',
    class: status === 429 ? 'wait' : passes ? 'retry' : 'give_up',
    message: `Facebook doesn’t hand over the file (${status}).`,
    status,
  });
}
