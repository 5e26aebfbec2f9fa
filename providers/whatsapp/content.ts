import { z } from 'zod';
import type { MediaReference } from '../../domain/chat.ts';
import { Said, type Message } from './webhook.ts';

/** What a message says, whatever its kind. */
export interface Content {
  readonly text: string;
  /** What only this kind of message has, for the message's metadata. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly media: readonly MediaReference[];
  /** No words of the customer's: something happened. */
  readonly isNotice?: boolean;
  readonly reaction?: { readonly to: string; readonly emoji: string };
  /** Messages that it is about, where these are not the ones it quotes. */
  readonly about?: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Content by kind
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages). What it is
 * said to be but isn't, or what is new at Meta, is named as such.
 */
export function contentOf(message: Message): Content {
  const read = Object.hasOwn(READERS, message.type) ? READERS[message.type] : undefined;
  const content = read?.(message);
  return withFrame(message, content ?? unreadable(message));
}

type Reader = (message: Message) => Content | null;

const text = z.string().optional().catch(undefined);

const READERS: Readonly<Record<string, Reader>> = {
  text: of(z.looseObject({ body: z.string() }), 'text', ({ body }) => said(body)),
  image: media('image'),
  video: media('video'),
  audio: media('audio'),
  document: media('document'),
  sticker: media('sticker'),
  location: of(
    z.looseObject({
      latitude: z.number(),
      longitude: z.number(),
      name: text,
      address: text,
      url: text,
    }),
    'location',
    (location) => {
      const { latitude, longitude, name, address, url } = location;
      const place = [name, address].filter(Boolean).join(', ');
      const map = url ?? `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}`;
      return said(
        `Location: ${place === '' ? '' : `${place} `}(${latitude}, ${longitude})\n${map}`,
        {
          location,
        },
      );
    },
  ),
  contacts: of(z.array(z.looseObject({})), 'contacts', (contacts) =>
    said(contacts.map(contactLine).join('\n'), { contacts }),
  ),
  button: of(z.looseObject({ text, payload: text }), 'button', (button) =>
    said(button.text ?? button.payload ?? '', { button }),
  ),
  interactive: of(z.looseObject({ type: text }), 'interactive', interactive),
  order: of(
    z.looseObject({ text, product_items: z.array(OrderItem()).catch([]) }),
    'order',
    (order) => {
      const lines = order.product_items.map(
        ({ quantity, product_retailer_id: id, item_price: price, currency }) =>
          `${quantity} × ${id} at ${price} ${currency}`,
      );
      return said(['Order:', ...lines, ...(order.text ? [order.text] : [])].join('\n'), { order });
    },
  ),
  reaction: of(z.looseObject({ message_id: z.string(), emoji: text }), 'reaction', (reaction) => ({
    ...said(reaction.emoji ?? ''),
    reaction: { to: reaction.message_id, emoji: reaction.emoji ?? '' },
    about: [reaction.message_id],
  })),
  edit: of(
    z.looseObject({
      original_message_id: z.string(),
      message: z.looseObject({ type: z.string() }).optional().catch(undefined),
    }),
    'edit',
    ({ original_message_id: original, message: changed }) => {
      const now = changed && contentOf({ ...changed, id: original, type: changed.type });
      return {
        ...(now ?? said('')),
        facts: { ...now?.facts, edits: original },
        isNotice: false,
        about: [original],
        notes: [...(now?.notes ?? []), 'The customer changed an earlier message to this one.'],
      };
    },
  ),
  revoke: of(z.looseObject({ original_message_id: z.string() }), 'revoke', (revoke) => ({
    ...notice('The customer deleted a message for everyone.', {
      deletes: revoke.original_message_id,
    }),
    about: [revoke.original_message_id],
  })),
  system: of(z.looseObject({ body: text, type: text, wa_id: text }), 'system', (system) =>
    notice(system.body ?? 'WhatsApp tells of a change.', { system }),
  ),
};

/** A reader of what stands under `key`; null where it isn't as it should be. */
function of<T>(schema: z.ZodType<T>, key: string, read: (part: T) => Content | null): Reader {
  return (message) => {
    const part = schema.safeParse(message[key]);
    return part.success ? read(part.data) : null;
  };
}

function said(words: string, facts: Content['facts'] = {}): Content {
  return { text: words, facts, media: [], notes: [] };
}

function notice(words: string, facts: Content['facts']): Content {
  return { ...said(words, facts), isNotice: true };
}

function media(kind: 'image' | 'video' | 'audio' | 'document' | 'sticker'): Reader {
  const schema = z.looseObject({
    id: text,
    url: text,
    mime_type: text,
    sha256: text,
    caption: text,
    filename: text,
    voice: z.boolean().optional().catch(undefined),
    animated: z.boolean().optional().catch(undefined),
  });
  return of(schema, kind, (file) => {
    if (file.id === undefined && file.url === undefined) return null;
    const reference: MediaReference = {
      id: file.id ?? null,
      url: file.url ?? null,
      filename: file.filename ?? null,
      contentType: file.mime_type ?? null,
      sha256: hexOf(file.sha256),
      inline: kind === 'sticker' || file.voice === true,
    };
    const facts = {
      ...(file.voice !== undefined && { voice: file.voice }),
      ...(file.animated !== undefined && { animated: file.animated }),
    };
    return { ...said(file.caption ?? '', facts), media: [reference] };
  });
}

/** WhatsApp writes hashes in base64. */
function hexOf(base64: string | undefined): string | null {
  const bytes = Buffer.from(base64 ?? '', 'base64');
  return bytes.length === 32 ? bytes.toString('hex') : null;
}

function contactLine(contact: Record<string, unknown>): string {
  const card = ContactCard.parse(contact);
  const name = card.name.formatted_name ?? card.name.first_name ?? '';
  const ways = [
    ...card.phones.map(({ phone, wa_id: id }) => phone ?? id),
    ...card.emails.map(({ email }) => email),
  ];
  return `Contact: ${[name, ...ways].filter(Boolean).join(', ')}`;
}

const ContactCard = z.looseObject({
  name: z.looseObject({ formatted_name: text, first_name: text }).catch({}),
  phones: z.array(z.looseObject({ phone: text, wa_id: text })).catch([]),
  emails: z.array(z.looseObject({ email: text })).catch([]),
});

function OrderItem() {
  const shown = z.union([z.string(), z.number()]).catch('?');
  return z.looseObject({
    product_retailer_id: shown,
    quantity: shown,
    item_price: shown,
    currency: z.string().catch(''),
  });
}

const Choice = z.looseObject({ id: text, title: text, description: text });

/** What the customer chose or filled in; the kinds of answers that Meta has by now. */
function interactive(answer: {
  readonly type?: string;
  readonly [key: string]: unknown;
}): Content | null {
  switch (answer.type) {
    case 'button_reply':
    case 'list_reply': {
      const choice = Choice.safeParse(answer[answer.type]);
      if (!choice.success) return null;
      const { id, title, description } = choice.data;
      const words = [title ?? id ?? '', ...(description ? [description] : [])].join('\n');
      return said(words, { choice: choice.data });
    }
    case 'nfm_reply': {
      const form = z.looseObject({ name: text, body: text, response_json: text });
      const filled = form.safeParse(answer['nfm_reply']);
      if (!filled.success) return null;
      const values = formValues(filled.data.response_json);
      const lines = Object.entries(values)
        .filter(([name]) => name !== 'flow_token')
        .map(
          ([name, value]) =>
            `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
        );
      return said([filled.data.body ?? 'Form', ...lines].join('\n'), { form: values });
    }
    case 'call_permission_reply': {
      const reply = z.looseObject({ response: text }).safeParse(answer['call_permission_reply']);
      if (!reply.success) return null;
      return notice(
        `The customer answers whether calls are welcome: ${reply.data.response ?? '?'}.`,
        {
          call_permission: reply.data,
        },
      );
    }
    default:
      return null;
  }
}

function formValues(json: string | undefined): Record<string, unknown> {
  try {
    const values: unknown = JSON.parse(json ?? '{}');
    return z.record(z.string(), z.unknown()).catch({}).parse(values);
  } catch {
    return { response: json }; // shown as it came
  }
}

/** A kind that WhatsApp doesn't hand over, or that isn't known here: it is named, and it was written all the same. */
function unreadable(message: Message): Content {
  const inner = z.looseObject({ type: text }).safeParse(message['unsupported']);
  const kind = (inner.success ? inner.data.type : undefined) ?? message.type;
  const errors = z.array(Said).catch([]).parse(message['errors']);
  const reason = errors
    .map(({ error_data: more, title, message: words }) => more?.details ?? words ?? title)
    .filter((words) => words !== undefined)
    .join(' ');
  const named = ['unsupported', 'unknown'].includes(kind) ? '' : ` (${kind})`;
  return {
    ...said(`[A kind of message that can’t be shown here${named}]`, {
      unsupported: { type: kind, ...(reason !== '' && { reason }) },
    }),
    notes: [
      `The customer sent a kind of message${named} that WhatsApp doesn’t hand over or that isn’t known here.${reason === '' ? '' : ` WhatsApp says: ${reason}`}`,
    ],
  };
}

const FRAME = ['referral', 'group_id'] as const;

/** What any kind of message may carry beside its content: an advertisement it came by, that it was passed on. */
function withFrame(message: Message, content: Content): Content {
  const frame = Object.fromEntries(
    FRAME.flatMap((name) => (message[name] === undefined ? [] : [[name, message[name]]])),
  );
  const isForwarded =
    message.context?.forwarded === true || message.context?.['frequently_forwarded'] === true;
  const facts = { ...content.facts, ...frame, ...(isForwarded && { forwarded: true }) };
  return { ...content, facts };
}
