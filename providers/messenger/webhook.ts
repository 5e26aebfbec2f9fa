import { z } from 'zod';

// What Meta calls with
// (https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events). Read
// leniently: an event of a new kind must not keep the others of its call from being taken.

const text = z.string().optional().catch(undefined);
const id = z.coerce.string().optional().catch(undefined);
const known = z.looseObject({}).optional().catch(undefined);

export const Attachment = z.looseObject({
  type: z.string().catch('unknown'),
  title: text,
  url: text,
  payload: z.looseObject({ url: text, title: text, sticker_id: id }).optional().catch(undefined),
});
export type Attachment = z.infer<typeof Attachment>;

export const ChatMessage = z.looseObject({
  mid: z.string().min(1),
  text,
  is_echo: z.boolean().optional().catch(undefined),
  // Some versions say it as a word.
  is_deleted: z
    .union([z.boolean(), z.literal('true').transform(() => true)])
    .optional()
    .catch(undefined),
  app_id: id,
  metadata: text,
  attachments: z.array(Attachment).catch([]).default([]),
  quick_reply: z.looseObject({ payload: text }).optional().catch(undefined),
  reply_to: z.looseObject({ mid: text }).optional().catch(undefined),
  referral: known,
});
export type ChatMessage = z.infer<typeof ChatMessage>;

export const Edit = z.looseObject({
  mid: z.string().min(1),
  text: z.string().catch(''),
  num_edit: z.coerce.number().catch(0),
});
export const Reaction = z.looseObject({
  mid: z.string().min(1),
  action: z.string().catch('react'),
  reaction: text,
  emoji: text,
});
export const Postback = z.looseObject({ mid: text, title: text, payload: text, referral: known });
export const Referral = z.looseObject({ ref: text, source: text, type: text });
export const Delivery = z.looseObject({
  mids: z.array(z.string()).catch([]).default([]),
  watermark: z.coerce.number(),
});
export const Read = z.looseObject({ watermark: z.coerce.number() });

const Person = z.looseObject({ id });

export const Event = z.looseObject({
  sender: Person.optional().catch(undefined),
  recipient: Person.optional().catch(undefined),
  /** Milliseconds. */
  timestamp: z.coerce.number().optional().catch(undefined),
  message: ChatMessage.optional().catch(undefined),
  message_edit: Edit.optional().catch(undefined),
  reaction: Reaction.optional().catch(undefined),
  postback: Postback.optional().catch(undefined),
  referral: Referral.optional().catch(undefined),
  delivery: Delivery.optional().catch(undefined),
  read: Read.optional().catch(undefined),
});
export type Event = z.infer<typeof Event>;

const events = z.array(z.unknown()).catch([]).default([]);

export const Call = z.looseObject({
  object: z.string(),
  entry: z.array(z.looseObject({ id, messaging: events, standby: events })).catch([]),
});
export type Call = z.infer<typeof Call>;

/** The object that a call about pages is about; calls about WhatsApp's numbers are another provider's. */
export const OBJECT = 'page';

/** One event of a page, as it came, with its reading. */
export interface PageEvent {
  readonly pageId: string;
  readonly raw: unknown;
  readonly event: Event;
  /** Another app has the conversation in hand just now; this one is only told. */
  readonly isStandby: boolean;
}

/** What a call says, each event by itself; nothing where the call is about something else. */
export function eventsOf(call: Call): PageEvent[] {
  if (call.object !== OBJECT) return [];
  return call.entry.flatMap(({ id: pageId, messaging, standby }) => {
    if (pageId === undefined) return [];
    const read = (isStandby: boolean) => (raw: unknown) => {
      const event = Event.safeParse(raw);
      return event.success ? [{ pageId, raw, event: event.data, isStandby }] : [];
    };
    return [...messaging.flatMap(read(false)), ...standby.flatMap(read(true))];
  });
}

/** The pages that a call is about, whatever it says of them. */
export function pagesOf(call: Call): string[] {
  return call.object === OBJECT ? call.entry.flatMap(({ id: pageId }) => pageId ?? []) : [];
}

/** An event by itself, in the form of a call: what is stored is what came, and can be read again alone. */
export function alone({ pageId, raw, isStandby }: PageEvent): Buffer {
  const list = isStandby ? { standby: [raw] } : { messaging: [raw] };
  return Buffer.from(JSON.stringify({ object: OBJECT, entry: [{ id: pageId, ...list }] }));
}
