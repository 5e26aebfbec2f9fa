import { z } from 'zod';

// What Meta calls with (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference).
// Read leniently: a kind of message that is new must not keep the others of its call from being taken.

const text = z.string().optional().catch(undefined);

export const Said = z.looseObject({
  code: z.number().optional().catch(undefined),
  title: text,
  message: text,
  error_data: z.looseObject({ details: text }).optional().catch(undefined),
});
export type Said = z.infer<typeof Said>;

/** A message from a customer, or one that was sent beside us. Its content stands under its type's name. */
export const Message = z.looseObject({
  id: z.string().min(1),
  type: z.string().catch('unknown'),
  timestamp: z.coerce.number().optional().catch(undefined),
  from: text,
  from_user_id: text,
  to: text,
  to_user_id: text,
  context: z
    .looseObject({ id: text, forwarded: z.boolean().optional() })
    .optional()
    .catch(undefined),
});
export type Message = z.infer<typeof Message>;

export const Status = z.looseObject({
  id: z.string().min(1),
  status: z.string(),
  timestamp: z.coerce.number().optional().catch(undefined),
  recipient_id: text,
  recipient_type: text,
  type: text,
  biz_opaque_callback_data: text,
  errors: z.array(Said).optional().catch(undefined),
});
export type Status = z.infer<typeof Status>;

const Contact = z.looseObject({
  wa_id: text,
  user_id: text,
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

const items = z.array(z.unknown()).optional().catch(undefined);

export const Value = z.looseObject({
  metadata: z
    .looseObject({ phone_number_id: text, display_phone_number: text })
    .optional()
    .catch(undefined),
  contacts: z.array(Contact).optional().catch(undefined),
  messages: items,
  message_echoes: items,
  statuses: items,
});
export type Value = z.infer<typeof Value>;

export const Call = z.looseObject({
  object: z.string(),
  entry: z
    .array(
      z.looseObject({
        id: z.string().optional(),
        changes: z.array(z.looseObject({ field: z.string(), value: z.unknown() })).catch([]),
      }),
    )
    .catch([]),
});
export type Call = z.infer<typeof Call>;

export interface Change {
  /** Of the business account. */
  readonly accountId: string | undefined;
  readonly field: string;
  readonly value: Value;
  /** The value as it came. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** The object that a call of WhatsApp's is about; calls about pages are another provider's. */
export const OBJECT = 'whatsapp_business_account';

/** What a call says, each change by itself; nothing where the call is about something else. */
export function changesOf(call: Call): Change[] {
  if (call.object !== OBJECT) return [];
  return call.entry.flatMap(({ id, changes }) =>
    changes.flatMap(({ field, value }) => {
      const parsed = Value.safeParse(value);
      const raw = value as Change['raw']; // an object, as parsing it found
      return parsed.success ? [{ accountId: id, field, value: parsed.data, raw }] : [];
    }),
  );
}
