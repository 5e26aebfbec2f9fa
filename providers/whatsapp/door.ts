import { serverWords } from '../connect.ts';
import {
  DoorRefusal,
  type DeliveryStatus,
  type DoorCapability,
  type DoorReceipt,
  type DoorRequest,
} from '../contract.ts';
import { contentId } from '../cloud-mail.ts';
import { graphCall } from '../graph-webhook.ts';
import { handshakeAnswer, hubKeys, refuseUnlessSigned } from '../hub-webhook.ts';
import { accountTold, isNewsOf } from './account-news.ts';
import { IS_OFF, type WhatsAppSettings } from './manifest.ts';
import { statusOf } from './statuses.ts';
import { subscription } from './subscription.ts';
import {
  changesOf,
  concerns,
  Message,
  OBJECT,
  Status,
  straysOf,
  type Change,
  type Value,
} from './webhook.ts';

/** Meta’s calls hold up to some hundred messages, and no files. */
const MOST_BYTES = 5 * 1024 * 1024;

/**
 * Meta's webhook, one address for all numbers of all apps: what a call says of a number is believed where that number's
 * channel has the secret that signed it.
 */
export const door: DoorCapability<WhatsAppSettings> = {
  maxBytes: MOST_BYTES,
  sharedAs: 'meta',
  accounts: (request) => (request.method === 'GET' ? [] : accountsOf(request)),
  keys: {
    ...hubKeys,
    of: (settings) => ({ ...hubKeys.of(settings), group: settings.business_account_id }),
  },
  strays: (request) => (request.method === 'GET' ? [] : straysOf(callOf(request))),
  verify(request, { settings }) {
    refuseUnlessSigned('whatsapp', request, settings);
  },
  subscription,
  receive(request, { settings, log }) {
    const handshake = handshakeAnswer(request);
    if (handshake) return Promise.resolve(handshake);
    const changes = changesOf(callOf(request));
    const mine = changes.filter(
      ({ value }) => value.metadata?.phone_number_id === settings.phone_number_id,
    );
    const statuses = mine.flatMap(statusesOf);
    const sources = mine.flatMap((change) => sourcesOf(change, settings));
    for (const { field, value } of mine)
      if (value['errors'] !== undefined)
        log.warn(
          { field, errors: serverWords(JSON.stringify(value['errors'])) },
          'WhatsApp tells of a fault',
        );
    const isNews = isNewsOf(changes, settings);
    return Promise.resolve({ sources, statuses, ...(isNews && { news: 'account' as const }) });
  },
};

const callOf = (request: DoorRequest) => graphCall('whatsapp', request);

/** Numbers, and business accounts of which something is told as a whole. */
function accountsOf(request: DoorRequest): string[] {
  return changesOf(callOf(request)).flatMap(
    (change) => change.value.metadata?.phone_number_id ?? accountTold(change) ?? [],
  );
}

type Source = DoorReceipt['sources'][number];
type Kind = 'messages' | 'message_echoes' | 'statuses';

/** What a message brings along of its call: some hundred bytes. It is kept with each of them. */
const MOST_BESIDE = 8 * 1024;

/** Each message as a call of its own, in Meta's form: what is stored is what came, and can be read again alone. */
function sourcesOf(change: Change, settings: WhatsAppSettings): Source[] {
  const { messages, message_echoes: echoes } = change.value;
  const reports = reportsOf(change).filter((one) => !Status.safeParse(one).success);
  if (messages.length + echoes.length + reports.length === 0) return [];
  const alone = apart(change);
  const messageOf = (kind: Kind, one: unknown): Source => {
    const message = Message.safeParse(one);
    if (!message.success) return unreadable(alone(kind, one, []));
    const source = alone(kind, one, contactsOf(change, message.data));
    return { source, providerMessageId: message.data.id };
  };
  const off = settings.whatsapp_enabled ? {} : { turnedAway: IS_OFF };
  return [
    ...messages.map((one) => messageOf('messages', one)),
    ...echoes.map((one) => messageOf('message_echoes', one)),
    ...reports.map((one) => unreadable(alone('statuses', one, []))),
  ].map((source) => ({ ...source, ...off }));
}

/** Kept under its content, since its own name can't be read. */
function unreadable(source: Buffer): Source {
  return { source, providerMessageId: contentId(source), unreadable: true };
}

/** Takes single messages out of a change. @throws DoorRefusal 413 where each would bring too much along */
function apart({ accountId: id, field, raw }: Change) {
  const frame = without(raw, ['messages', 'message_echoes', 'statuses', 'contacts']);
  withinBounds({ id, field, frame });
  return (kind: Kind, one: unknown, contacts: readonly unknown[]): Buffer => {
    const value = {
      ...frame,
      ...(contacts.length > 0 && { contacts: withinBounds(contacts) }),
      [kind]: [one],
    };
    const entry = [{ id, changes: [{ field, value }] }];
    return Buffer.from(JSON.stringify({ object: OBJECT, entry }));
  };
}

/** An app signs what it likes: the call itself is bounded, and is not to be stored many times over. */
function withinBounds<T extends object>(beside: T): T {
  if (JSON.stringify(beside).length <= MOST_BESIDE) return beside;
  throw new DoorRefusal(
    413,
    'whatsapp.too_much_beside',
    'What stands beside the messages is too large.',
  );
}

/** The one of a call's people whom this message concerns, as it came; the only one, whoever it is. */
function contactsOf({ value, raw }: Change, message: Message): unknown[] {
  const came = raw['contacts'];
  const all: unknown[] = Array.isArray(came) ? came : came == null ? [] : [came];
  if (all.length === 1) return all;
  const place = value.contacts.findIndex((contact) => concerns(contact, message));
  return place === -1 ? [] : [all[place]];
}

function without(raw: Change['raw'], keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => !keys.includes(key)));
}

/** Those of calls are no messages. */
function reportsOf({ field = 'messages', value }: Change): Value['statuses'] {
  return field === 'messages' ? value.statuses : [];
}

function statusesOf(change: Change): DeliveryStatus[] {
  return reportsOf(change).flatMap((raw) => {
    const status = Status.safeParse(raw);
    return (status.success && statusOf(status.data)) || [];
  });
}
