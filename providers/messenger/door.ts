import { contentId } from '../cloud-mail.ts';
import type { DoorCapability, DoorReceipt, DoorRequest } from '../contract.ts';
import { graphCall } from '../graph-webhook.ts';
import { handshakeAnswer, hubKeys, refuseUnlessSigned } from '../hub-webhook.ts';
import type { MessengerSettings } from './manifest.ts';
import { eventId } from './map.ts';
import { statusesOf } from './statuses.ts';
import { subscription } from './subscription.ts';
import {
  alone,
  eventsOf,
  pagesOf,
  straysOf,
  unreadableOf,
  type PageEvent,
  type UnreadableEvent,
} from './webhook.ts';

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
  strays: (request) => (request.method === 'GET' ? [] : straysOf(callOf(request))),
  verify(request, { settings }) {
    refuseUnlessSigned('messenger', request, settings);
  },
  receive(request, { settings }) {
    const handshake = handshakeAnswer(request);
    if (handshake) return Promise.resolve(handshake);
    const call = callOf(request);
    const isMine = ({ pageId }: { pageId: string }) => pageId === settings.page_id;
    const mine = eventsOf(call).filter(isMine);
    const unreadable = unreadableOf(call).filter(isMine);
    return Promise.resolve({
      sources: [...mine.flatMap(sourceOf), ...unreadable.map(keptAside)],
      statuses: mine.flatMap(({ event }) => statusesOf(event)),
    });
  },
  subscription,
};

const callOf = (request: DoorRequest) => graphCall('messenger', request);

function sourceOf(found: PageEvent): DoorReceipt['sources'][number][] {
  const providerMessageId = eventId(found.event);
  return providerMessageId === null ? [] : [{ source: alone(found), providerMessageId }];
}

/** Kept under its content, since its own name can't be read. */
function keptAside(found: UnreadableEvent): DoorReceipt['sources'][number] {
  const source = alone(found);
  return { source, providerMessageId: contentId(source), unreadable: true };
}
