import { Readable } from 'node:stream';
import { z } from 'zod';
import type { MediaReference } from '../../domain/chat.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import { explainNetworkError } from '../../security/network-error.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';

interface FetchedFile {
  readonly content: Readable;
  readonly contentType: string | null;
}

/** How a link is answered whose time is over. */
const ENDED = new Set([403, 404, 410]);

/**
 * Fetches a file by its id: a link is asked for, which is good for five minutes and wants the token
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media). A file lies
 * at Meta's for a week. @throws ProviderFailure `give_up` where it is gone for good
 */
export async function fetchMedia(call: WhatsAppCall, media: MediaReference): Promise<FetchedFile> {
  const found =
    (await follow(call, (await link(call, media)) ?? media.url)) ??
    // It may have ended on the way; a second one that leads nowhere is the file's end.
    (await follow(call, await link(call, media)));
  if (found) return found;
  throw gone();
}

const Place = z.looseObject({ url: z.string() });

/** Null where there is no id, or Meta doesn't know it any more. */
async function link(call: WhatsAppCall, { id }: MediaReference): Promise<string | null> {
  if (id === null) return null;
  const query = { phone_number_id: call.settings.phone_number_id };
  const request = await graphRequest(call, 'GET', `/${encodeURIComponent(id)}`, { query });
  try {
    return (await asked(call, request, Place)).url;
  } catch (error) {
    if (error instanceof ProviderFailure && error.class === 'give_up') return null;
    throw error;
  }
}

async function follow(call: WhatsAppCall, url: string | null): Promise<FetchedFile | null> {
  if (url === null) return null;
  const response = await answered(call, trusted(call, url));
  if (response.ok && response.body)
    return {
      content: Readable.fromWeb(response.body),
      contentType: response.headers.get('content-type'),
    };
  await response.body?.cancel();
  if (ENDED.has(response.status)) return null;
  throw failure(response.status);
}

/** Meta's own hosts for files; the token goes nowhere else. */
const HOSTS = /(^|\.)(fbsbx\.com|facebook\.com|whatsapp\.net|whatsapp\.com|fbcdn\.net)$/;

/** @throws ProviderFailure */
function trusted({ settings }: WhatsAppCall, url: string): URL {
  const parsed = URL.parse(url);
  const own = settings.base_url === undefined ? null : URL.parse(settings.base_url);
  const isOwn = parsed !== null && own !== null && parsed.origin === own.origin;
  if (parsed && (isOwn || (parsed.protocol === 'https:' && HOSTS.test(parsed.hostname))))
    return parsed;
  throw new ProviderFailure({
    code: 'whatsapp.file_elsewhere',
    class: 'give_up',
    message: `The link to the file leads to ${parsed?.host ?? 'no host'}, which is not Meta’s: the access token isn’t given to it.`,
  });
}

/** The headers must be there in time; the file itself takes as long as whoever reads it lets it. */
async function answered(call: WhatsAppCall, url: URL): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error('No answer in time.')), call.timeoutMs);
  try {
    return await call.network.fetch(url, {
      headers: { authorization: `Bearer ${call.settings.access_token}`, 'user-agent': 'Postroom' },
      signal: AbortSignal.any([call.signal, late.signal]),
    });
  } catch (error) {
    call.signal.throwIfAborted();
    const { code, message } = explainNetworkError(error);
    throw new ProviderFailure(
      {
        code: 'whatsapp.file_unreachable',
        class: code === 'target_refused' || code === 'bad_port' ? 'give_up' : 'retry',
        message: `The file can’t be fetched: ${message}`,
      },
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

function gone(): ProviderFailure {
  return new ProviderFailure({
    code: 'whatsapp.file_gone',
    class: 'give_up',
    message: 'The file isn’t at WhatsApp’s any more.',
  });
}

function failure(status: number): ProviderFailure {
  const passes = status >= 500 || status === 408;
  return new ProviderFailure({
    code: status === 401 ? 'whatsapp.login_refused' : 'whatsapp.file_refused',
    class:
      status === 401 ? 'reauthenticate' : status === 429 ? 'wait' : passes ? 'retry' : 'give_up',
    message: `WhatsApp doesn’t hand over the file (${status}).`,
    status,
  });
}
