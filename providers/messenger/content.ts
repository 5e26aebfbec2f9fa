import { z } from 'zod';
import type { MediaReference } from '../../domain/chat.ts';
import { filenameOf, mediaId } from './media-reference.ts';
import type { Attachment, ChatMessage, Event } from './webhook.ts';

/** What an event says, whatever its kind. */
export interface Content {
  readonly type: string;
  readonly text: string;
  /** What only this kind has, for the message's metadata. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly media: readonly MediaReference[];
  /** The messages it is about, nearest first. */
  readonly about: readonly string[];
  /** No words of the customer's: something happened. */
  readonly isNotice: boolean;
  /** By Meta's rules it lets the page write for another day. */
  readonly opensWindow: boolean;
  readonly reaction?: { readonly to: string; readonly emoji: string };
  readonly notes: readonly string[];
}

/** Null where there is nothing to keep: it only speaks of what was sent, or is of a kind that is not asked for. */
export function contentOf(event: Event): Content | null {
  const { message, message_edit: edit, reaction, postback, referral } = event;
  if (message) return message.is_deleted === true ? deleted(message.mid) : written(message);
  if (edit)
    return {
      ...plain('edit', edit.text, { edits: edit.mid, edit_number: edit.num_edit }),
      about: [edit.mid],
      opensWindow: false,
      notes: ['The customer changed an earlier message to this one.'],
    };
  if (reaction) {
    const emoji = reaction.action === 'unreact' ? '' : (reaction.emoji ?? face(reaction.reaction));
    return {
      ...plain('reaction', emoji),
      about: [reaction.mid],
      reaction: { to: reaction.mid, emoji },
      opensWindow: emoji !== '',
    };
  }
  if (postback) {
    const { title, payload } = postback;
    return plain('postback', title ?? payload ?? '', {
      postback: { title, payload },
      ...(postback.referral && { referral: postback.referral }),
    });
  }
  if (referral) return { ...plain('referral', cameBy(referral), { referral }), isNotice: true };
  return null;
}

function plain(type: string, text: string, facts: Content['facts'] = {}): Content {
  return { type, text, facts, media: [], about: [], isNotice: false, opensWindow: true, notes: [] };
}

function deleted(mid: string): Content {
  return {
    ...plain('deleted', 'The customer deleted a message for everyone.', { deletes: mid }),
    about: [mid],
    isNotice: true,
    opensWindow: false,
  };
}

function written(message: ChatMessage): Content {
  const parts = withoutDoubles(message.attachments).map((attachment, place) =>
    partOf(attachment, message, place),
  );
  const lines = [message.text ?? '', ...parts.map(({ line }) => line)].filter(
    (line) => line !== '',
  );
  const { quick_reply: chosen, reply_to: answered } = message;
  return {
    type: chosen ? 'quick_reply' : typeOf(message),
    text: lines.join('\n'),
    facts: {
      ...Object.assign({}, ...parts.map(({ facts }) => facts)),
      ...(chosen && { quick_reply: { payload: chosen.payload } }),
      ...(message.referral && { referral: message.referral }),
      ...(message.app_id !== undefined && { app_id: message.app_id }),
    },
    media: parts.flatMap(({ media }) => media ?? []),
    about: answered?.mid === undefined ? [] : [answered.mid],
    isNotice: false,
    opensWindow: true,
    notes: parts.flatMap(({ note }) => note ?? []),
  };
}

function typeOf({ text, attachments }: ChatMessage): string {
  return text === undefined ? (attachments[0]?.type ?? 'empty') : 'text';
}

/** A sticker comes as an image, too, for the sake of older readers. */
function withoutDoubles(attachments: readonly Attachment[]): Attachment[] {
  const stickers = new Set(
    attachments.filter(({ type }) => type === 'sticker').map(({ payload }) => payload?.sticker_id),
  );
  return attachments.filter(
    ({ type, payload }) =>
      type !== 'image' || payload?.sticker_id === undefined || !stickers.has(payload.sticker_id),
  );
}

interface Part {
  readonly line: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly media?: MediaReference;
  readonly note?: string;
}

const FILES = new Set(['image', 'audio', 'video', 'file', 'sticker']);

function partOf(attachment: Attachment, { mid, text = '' }: ChatMessage, place: number): Part {
  const { type, payload } = attachment;
  const url = payload?.url ?? attachment.url;
  if (FILES.has(type) && url !== undefined) {
    const sticker = payload?.sticker_id;
    return {
      line: '',
      facts: sticker === undefined ? {} : { sticker_id: sticker },
      media: {
        id: mediaId(mid, place),
        url,
        filename: type === 'file' ? filenameOf(url) : null,
        contentType: null,
        sha256: null,
        inline: type === 'sticker' || type === 'audio' || sticker !== undefined,
      },
    };
  }
  if (type === 'location') return placeOf(attachment);
  if (type === 'template') return templateOf(attachment);
  if (type === 'appointment_booking')
    return { line: `Appointment: ${bookingOf(payload)}`, facts: { appointment: payload } };
  const title = attachment.title ?? payload?.title ?? '';
  // A link that stands in the text is previewed, and not said twice.
  const shared = [title, url !== undefined && !text.includes(url) ? url : ''].filter(Boolean);
  if (url !== undefined && (text.includes(url) || SHARED.has(type)))
    return {
      line: text.includes(url) ? '' : shared.join('\n'),
      facts: { shared: { type, title, url } },
    };
  return {
    line: ['[Something that can’t be shown here]', ...shared].join('\n'),
    facts: { unsupported: { type } },
    note: `The customer shared something (${type}) that Messenger doesn’t hand over or that isn’t known here.`,
  };
}

const SHARED = new Set([
  'fallback',
  'share',
  'post',
  'ig_post',
  'reel',
  'ig_reel',
  'story_mention',
]);

function placeOf({ title, payload }: Attachment): Part {
  const coordinates = z
    .looseObject({ lat: z.number(), long: z.number() })
    .safeParse(payload?.['coordinates']);
  if (!coordinates.success) return { line: `Location: ${title ?? 'unknown'}`, facts: {} };
  const { lat, long } = coordinates.data;
  const named = title === undefined ? '' : `${title} `;
  return {
    line: `Location: ${named}(${lat}, ${long})\nhttps://www.openstreetmap.org/?mlat=${lat}&mlon=${long}`,
    facts: { location: { latitude: lat, longitude: long } },
  };
}

const words = z.string().optional().catch(undefined);
const Element = z.looseObject({ title: words, subtitle: words, retailer_id: words });
const Template = z.looseObject({
  template_type: words,
  text: words,
  elements: z.array(Element).catch([]).default([]),
  product: z
    .looseObject({ elements: z.array(Element).catch([]).default([]) })
    .optional()
    .catch(undefined),
});

/** A product that a customer shares, or what the page's own apps sent: cards and buttons. */
function templateOf({ title, payload }: Attachment): Part {
  const { text, elements, product } = Template.parse(payload ?? {});
  const cards = [...(product?.elements ?? []), ...elements].map((card) =>
    [card.title, card.subtitle, card.retailer_id].filter(Boolean).join(', '),
  );
  const lines = [text, ...cards].filter((line) => line !== undefined && line !== '');
  return { line: lines.join('\n') || (title ?? ''), facts: { template: payload } };
}

function bookingOf(payload: Attachment['payload']): string {
  const { status, start_time: starts } = z
    .looseObject({ status: words, start_time: z.number().optional().catch(undefined) })
    .parse(payload ?? {});
  const at = new Date((starts ?? Number.NaN) * 1000);
  const when = Number.isNaN(at.getTime()) ? '' : ` for ${at.toISOString()}`;
  return `${status ?? 'changed'}${when}`;
}

function cameBy({ ref, source }: { readonly ref?: string; readonly source?: string }): string {
  const way = source === undefined || source === 'SHORTLINK' ? 'a link' : (WAYS[source] ?? source);
  return `The customer came by ${way}${ref === undefined || ref === '' ? '' : ` (${ref})`}.`;
}

const WAYS: Readonly<Record<string, string>> = {
  ADS: 'an advertisement',
  CUSTOMER_CHAT_PLUGIN: 'the chat on a website',
  DISCOVER_TAB: 'Messenger’s own list of pages',
};

const FACES: Readonly<Record<string, string>> = {
  smile: '😆',
  angry: '😠',
  sad: '😢',
  wow: '😮',
  love: '❤️',
  like: '👍',
  dislike: '👎',
};

function face(name: string | undefined): string {
  return FACES[name ?? ''] ?? '❔';
}
