import { z } from 'zod';
import { faultOf, items, oncePerCall, textId, type GraphCall } from '../graph-webhook.ts';

// What Meta calls with
// (https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events). Read
// leniently: an event of a new kind must not keep the others of its call from being taken.

const text = z.string().optional().catch(undefined);
/** By which it is known: without it, it can't be taken. */
const ownId = textId.pipe(z.string());
const known = z.looseObject({}).optional().catch(undefined);

export const Attachment = z.looseObject({
  type: z.string().catch('unknown'),
  title: text,
  url: text,
  payload: z
    .looseObject({ url: text, title: text, sticker_id: textId })
    .optional()
    .catch(undefined),
});
export type Attachment = z.infer<typeof Attachment>;

export const ChatMessage = z.looseObject({
  mid: ownId,
  text,
  is_echo: z.boolean().optional().catch(undefined),
  // Some versions say it as a word.
  is_deleted: z
    .union([z.boolean(), z.literal('true').transform(() => true)])
    .optional()
    .catch(undefined),
  app_id: textId,
  metadata: text,
  attachments: z.array(Attachment).catch([]).default([]),
  quick_reply: z.looseObject({ payload: text }).optional().catch(undefined),
  reply_to: z.looseObject({ mid: textId }).optional().catch(undefined),
  referral: known,
});
export type ChatMessage = z.infer<typeof ChatMessage>;

export const Edit = z.looseObject({
  mid: ownId,
  text: z.string().catch(''),
  num_edit: z.coerce.number().catch(0),
});
export const Reaction = z.looseObject({
  mid: ownId,
  action: z.string().catch('react'),
  reaction: text,
  emoji: text,
});
export const Postback = z.looseObject({ mid: textId, title: text, payload: text, referral: known });
export const Referral = z.looseObject({ ref: text, source: text, type: text });
export const Delivery = z.looseObject({
  mids: z.array(z.string()).catch([]).default([]),
  watermark: z.coerce.number(),
});
export const Read = z.looseObject({ watermark: z.coerce.number() });

const Person = z.looseObject({ id: textId });

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

const Entry = z.looseObject({ id: textId, messaging: items, standby: items });

/** What an event may hold that is asked for. */
const KINDS = {
  message: ChatMessage,
  message_edit: Edit,
  reaction: Reaction,
  postback: Postback,
  referral: Referral,
  delivery: Delivery,
  read: Read,
} as const;

/** The object that a call about pages is about; calls about WhatsApp's numbers are another provider's. */
export const OBJECT = 'page';

/** One event of a page, as it came. */
interface Came {
  readonly pageId: string;
  readonly raw: unknown;
  /** Another app has the conversation in hand just now; this one is only told. */
  readonly isStandby: boolean;
}

/** With its reading. */
export interface PageEvent extends Came {
  readonly event: Event;
}

/** With the reason why there is none. */
export interface UnreadableEvent extends Came {
  readonly fault: string;
}

/** What a call says, each event by itself; nothing where the call is about something else. */
export function eventsOf(call: GraphCall): PageEvent[] {
  return partsOf(call).flatMap((part) => ('event' in part ? [part] : []));
}

export function unreadableOf(call: GraphCall): UnreadableEvent[] {
  return partsOf(call).flatMap((part) => ('fault' in part ? [part] : []));
}

/** What can't be read, or is of no page. */
export function straysOf(call: GraphCall): unknown[] {
  return partsOf(call).flatMap((part) => ('stray' in part ? [part.stray] : []));
}

/** The pages that a call is about, whatever it says of them. */
export function pagesOf(call: GraphCall): string[] {
  return entriesOf(call).flatMap(({ entry }) => entry?.id ?? []);
}

function entriesOf(call: GraphCall) {
  if (call.object !== OBJECT) return [];
  return call.entry.map((raw) => ({ raw, entry: Entry.safeParse(raw).data }));
}

type Part = PageEvent | UnreadableEvent | { readonly stray: unknown };

const partsOf = oncePerCall((call) =>
  entriesOf(call).flatMap(({ raw, entry }): Part[] => {
    const pageId = entry?.id;
    if (pageId === undefined) return [{ stray: raw }];
    return [
      ...entry!.messaging.map((one) => eventOf({ pageId, raw: one, isStandby: false })),
      ...entry!.standby.map((one) => eventOf({ pageId, raw: one, isStandby: true })),
    ];
  }),
);

/** One that holds nothing that is asked for is readable; one that holds such, and nothing of it can be read, is not. */
function eventOf(came: Came): PageEvent | UnreadableEvent {
  const event = Event.safeParse(came.raw);
  if (!event.success) return { ...came, fault: faultOf(Event, came.raw) };
  const held = Object.entries(came.raw as object).filter(([, value]) => value != null); // parsed from it
  const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];
  const unread = held.find(([name]) => name in KINDS);
  if (unread === undefined || kinds.some((kind) => event.data[kind] !== undefined))
    return { ...came, event: event.data };
  const [kind, value] = unread;
  return { ...came, fault: `${kind}: ${faultOf(KINDS[kind as keyof typeof KINDS], value)}` };
}

/** An event by itself, in the form of a call: what is stored is what came, and can be read again alone. */
export function alone({ pageId, raw, isStandby }: Came): Buffer {
  const list = isStandby ? { standby: [raw] } : { messaging: [raw] };
  return Buffer.from(JSON.stringify({ object: OBJECT, entry: [{ id: pageId, ...list }] }));
}
