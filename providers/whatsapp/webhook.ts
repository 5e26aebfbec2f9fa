import { z } from 'zod';
import { items, oncePerCall, textId, type GraphCall } from '../graph-webhook.ts';

// What Meta calls with (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference).
// Read leniently: a kind of message that is new must not keep the others of its call from being taken.

const text = z.string().optional().catch(undefined);
/** By which it is known: without it, it can't be taken. */
const ownId = textId.pipe(z.string());

export const Said = z.looseObject({
  code: z.number().optional().catch(undefined),
  title: text,
  message: text,
  error_data: z.looseObject({ details: text }).optional().catch(undefined),
});
export type Said = z.infer<typeof Said>;

/** A message from a customer, or one that was sent beside us. Its content stands under its type's name. */
export const Message = z.looseObject({
  id: ownId,
  type: z.string().catch('unknown'),
  timestamp: z.coerce.number().optional().catch(undefined),
  from: textId,
  from_user_id: textId,
  to: textId,
  to_user_id: textId,
  context: z
    .looseObject({ id: textId, forwarded: z.boolean().optional() })
    .optional()
    .catch(undefined),
});
export type Message = z.infer<typeof Message>;

export const Status = z.looseObject({
  id: ownId,
  status: z.string(),
  timestamp: z.coerce.number().optional().catch(undefined),
  recipient_id: textId,
  recipient_type: text,
  type: text,
  biz_opaque_callback_data: text,
  errors: z.array(Said).optional().catch(undefined),
});
export type Status = z.infer<typeof Status>;

const Contact = z.looseObject({
  wa_id: textId,
  user_id: textId,
  profile: z.looseObject({ name: text, username: text }).optional().catch(undefined),
});

type Contact = z.infer<typeof Contact>;

/** Whether one of a call's people has to do with this message. */
export function concerns({ wa_id: number, user_id: userId }: Contact, message: Message): boolean {
  const { from, to, from_user_id: fromId, to_user_id: toId } = message;
  return (
    (number !== undefined && (number === from || number === to)) ||
    (userId !== undefined && (userId === fromId || userId === toId))
  );
}

export const Value = z.looseObject({
  metadata: z
    .looseObject({ phone_number_id: textId, display_phone_number: textId })
    .optional()
    .catch(undefined),
  // One that can't be read is nobody, in its place.
  contacts: items.transform((list) => list.map((one) => Contact.safeParse(one).data ?? {})),
  messages: items,
  message_echoes: items,
  statuses: items,
});
export type Value = z.infer<typeof Value>;

const Entry = z.looseObject({ id: textId, changes: items });
const RawChange = z.looseObject({ field: text, value: z.looseObject({}) });

export interface Change {
  /** Of the business account. */
  readonly accountId: string | undefined;
  /** Left out, it is taken for one of messages. */
  readonly field: string | undefined;
  readonly value: Value;
  /** The value as it came. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** The object that a call of WhatsApp's is about; calls about pages are another provider's. */
export const OBJECT = 'whatsapp_business_account';

/** What a call says, each change by itself; nothing where the call is about something else. */
export function changesOf(call: GraphCall): Change[] {
  return partsOf(call).flatMap((part) => ('stray' in part ? [] : [part]));
}

/** What can't be read, or says something of no number. */
export function straysOf(call: GraphCall): unknown[] {
  return partsOf(call).flatMap((part) => ('stray' in part ? [part.stray] : []));
}

type Part = Change | { readonly stray: unknown };

const partsOf = oncePerCall((call): Part[] => {
  if (call.object !== OBJECT) return [];
  return call.entry.flatMap((raw): Part[] => {
    const entry = Entry.safeParse(raw);
    if (!entry.success) return [{ stray: raw }];
    return entry.data.changes.map((change) => changeOf(entry.data.id, change));
  });
});

function changeOf(accountId: string | undefined, raw: unknown): Part {
  const change = RawChange.safeParse(raw);
  if (!change.success) return { stray: raw };
  const value = Value.parse(change.data.value); // takes any object
  const { metadata, messages, message_echoes: echoes, statuses } = value;
  const isOfANumber = messages.length + echoes.length + statuses.length > 0;
  return isOfANumber && metadata?.phone_number_id === undefined
    ? { stray: raw }
    : { accountId, field: change.data.field, value, raw: change.data.value };
}
