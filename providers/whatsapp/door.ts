import { serverWords } from '../connect.ts';
import type { DeliveryStatus, DoorCapability, DoorReceipt, DoorRequest } from '../contract.ts';
import { readJson } from '../cloud-mail.ts';
import { handshakeAnswer, hubKeys, refuseUnlessSigned } from '../hub-webhook.ts';
import { IS_OFF, type WhatsAppSettings } from './manifest.ts';
import { statusOf } from './statuses.ts';
import { subscription } from './subscription.ts';
import { Call, changesOf, concerns, Message, OBJECT, Status, type Change } from './webhook.ts';

/** Meta’s calls hold up to some hundred messages, and no files. */
const MOST_BYTES = 5 * 1024 * 1024;

/**
 * Meta's webhook, one address for all numbers of all apps: what a call says of a number is believed where that number's
 * channel has the secret that signed it.
 */
export const door: DoorCapability<WhatsAppSettings> = {
  maxBytes: MOST_BYTES,
  sharedAs: 'meta',
  accounts: (request) => (request.method === 'GET' ? [] : numbersOf(request)),
  keys: hubKeys,
  verify(request, { settings }) {
    refuseUnlessSigned('whatsapp', request, settings);
  },
  subscription,
  receive(request, { settings, log }) {
    const handshake = handshakeAnswer(request);
    if (handshake) return Promise.resolve(handshake);
    const mine = changesOf(callOf(request)).filter(
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
    return Promise.resolve({ sources, statuses });
  },
};

const calls = new WeakMap<Buffer, Call>();

/** Read once for all numbers that it speaks of. @throws DoorRefusal 400 */
function callOf({ body }: DoorRequest): Call {
  const known = calls.get(body);
  if (known) return known;
  const call = readJson('whatsapp', body.toString(), Call);
  calls.set(body, call);
  return call;
}

function numbersOf(request: DoorRequest): string[] {
  return changesOf(callOf(request)).flatMap(({ value }) => value.metadata?.phone_number_id ?? []);
}

/** Each message as a call of its own, in Meta's form: what is stored is what came, and can be read again alone. */
function sourcesOf(
  { accountId, field, value, raw }: Change,
  settings: WhatsAppSettings,
): DoorReceipt['sources'][number][] {
  return (['messages', 'message_echoes'] as const).flatMap((kind) =>
    (value[kind] ?? []).flatMap((one) => {
      const message = Message.safeParse(one);
      if (!message.success) return [];
      const contacts = (value.contacts ?? []).map((contact, index) => ({
        isOfMessage: concerns(contact, message.data),
        raw: (raw['contacts'] as unknown[])[index], // parsed from it, item by item
      }));
      const alone = {
        ...without(raw, ['messages', 'message_echoes', 'statuses']),
        ...(contacts.length > 0 && {
          contacts: contacts
            .filter(({ isOfMessage }) => contacts.length === 1 || isOfMessage)
            .map((contact) => contact.raw),
        }),
        [kind]: [one],
      };
      const changes = [{ field, value: alone }];
      return [
        {
          source: Buffer.from(
            JSON.stringify({ object: OBJECT, entry: [{ id: accountId, changes }] }),
          ),
          providerMessageId: message.data.id,
          ...(settings.whatsapp_enabled ? {} : { turnedAway: IS_OFF }),
        },
      ];
    }),
  );
}

function without(raw: Change['raw'], keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => !keys.includes(key)));
}

function statusesOf({ field, value }: Change): DeliveryStatus[] {
  if (field !== 'messages') return []; // those of calls are no messages
  return (value.statuses ?? []).flatMap((raw) => {
    const status = Status.safeParse(raw);
    return (status.success && statusOf(status.data)) || [];
  });
}
