import { serverWords } from '../connect.ts';
import type { DeliveryStatus, DoorCapability, DoorReceipt, DoorRequest } from '../contract.ts';
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

/** Each message as a call of its own, in Meta's form: what is stored is what came, and can be read again alone. */
function sourcesOf(change: Change, settings: WhatsAppSettings): Source[] {
  const off = settings.whatsapp_enabled ? {} : { turnedAway: IS_OFF };
  const messages = (['messages', 'message_echoes'] as const).flatMap((kind) =>
    change.value[kind].map((one): Source => {
      const message = Message.safeParse(one);
      if (!message.success) return { ...unreadable(change, kind, one), ...off };
      const source = alone(change, kind, one, contactsOf(change, message.data));
      return { source, providerMessageId: message.data.id, ...off };
    }),
  );
  const reports = reportsOf(change).filter((one) => !Status.safeParse(one).success);
  return [
    ...messages,
    ...reports.map((one) => ({ ...unreadable(change, 'statuses', one), ...off })),
  ];
}

/** Kept under its content, since its own name can't be read. */
function unreadable(change: Change, kind: Kind, one: unknown): Source {
  const source = alone(change, kind, one, []);
  return { source, providerMessageId: contentId(source), unreadable: true };
}

function alone(
  { accountId, field, raw }: Change,
  kind: Kind,
  one: unknown,
  contacts: readonly unknown[],
): Buffer {
  const value = {
    ...without(raw, ['messages', 'message_echoes', 'statuses', 'contacts']),
    ...(contacts.length > 0 && { contacts }),
    [kind]: [one],
  };
  const entry = [{ id: accountId, changes: [{ field, value }] }];
  return Buffer.from(JSON.stringify({ object: OBJECT, entry }));
}

/** Those of a call's people whom this message concerns, as they came; the only one, whoever it is. */
function contactsOf({ value, raw }: Change, message: Message): unknown[] {
  const came = raw['contacts'];
  const all: unknown[] = Array.isArray(came) ? came : came == null ? [] : [came];
  return all.length === 1
    ? all
    : all.filter((_, index) => concerns(value.contacts[index]!, message));
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
