import { readJson } from '../cloud-mail.ts';
import type { DoorCapability, DoorReceipt, DoorRequest } from '../contract.ts';
import { handshakeAnswer, hubKeys, refuseUnlessSigned } from '../hub-webhook.ts';
import type { MessengerSettings } from './manifest.ts';
import { eventId } from './map.ts';
import { statusesOf } from './statuses.ts';
import { subscription } from './subscription.ts';
import { alone, Call, eventsOf, pagesOf, type PageEvent } from './webhook.ts';

/** Meta’s calls hold up to some hundred events, and no files. */
const MOST_BYTES = 5 * 1024 * 1024;

/**
 * Meta's webhook, one address for all pages of all apps: what a call says of a page is believed where that page's channel
 * has the secret that signed it.
 */
export const door: DoorCapability<MessengerSettings> = {
  maxBytes: MOST_BYTES,
  sharedAs: 'meta',
  accounts: (request) => (request.method === 'GET' ? [] : pagesOf(callOf(request))),
  keys: hubKeys,
  verify(request, { settings }) {
    refuseUnlessSigned('messenger', request, settings);
  },
  receive(request, { settings }) {
    const handshake = handshakeAnswer(request);
    if (handshake) return Promise.resolve(handshake);
    const mine = eventsOf(callOf(request)).filter(({ pageId }) => pageId === settings.page_id);
    return Promise.resolve({
      sources: mine.flatMap(sourceOf),
      statuses: mine.flatMap(({ event }) => statusesOf(event)),
    });
  },
  subscription,
};

const calls = new WeakMap<Buffer, Call>();

/** Read once for all pages that it speaks of. @throws DoorRefusal 400 */
function callOf({ body }: DoorRequest): Call {
  const known = calls.get(body);
  if (known) return known;
  const call = readJson('messenger', body.toString(), Call);
  calls.set(body, call);
  return call;
}

function sourceOf(found: PageEvent): DoorReceipt['sources'][number][] {
  const providerMessageId = eventId(found.event);
  return providerMessageId === null ? [] : [{ source: alone(found), providerMessageId }];
}
