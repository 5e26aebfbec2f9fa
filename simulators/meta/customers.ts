import { newMid, newNodeId, newWamid } from './ids.ts';
import type { Reports } from './reports.ts';
import type { SimMedia } from './media-store.ts';
import type { SimNumber, SimPage, World } from './world.ts';

/** A file that a customer sends. */
export interface CustomerFile {
  readonly kind: 'image' | 'video' | 'audio' | 'document' | 'sticker';
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly filename?: string;
  readonly caption?: string;
}

interface Said {
  /** The message that it quotes, by its id. */
  readonly quotes?: string;
  /** Its own id; a new one by default. */
  readonly id?: string;
  /** When it was written, in milliseconds since 1970; now by default. */
  readonly at?: number;
}

/** What a WhatsApp customer writes; `raw` is merged into the message as it is (location, contacts, order, system, …). */
export type WhatsAppWords = Said &
  (
    | { readonly text: string }
    | { readonly file: CustomerFile }
    | { readonly reaction: { readonly to: string; readonly emoji: string } }
    | {
        readonly choice: {
          readonly id: string;
          readonly title: string;
          readonly from: 'buttons' | 'list';
        };
      }
    | { readonly button: { readonly text: string; readonly payload: string } }
    | { readonly raw: Readonly<Record<string, unknown>> }
  );

/** What a person writes to a page; `raw` is the event without sender and recipient, `field` what it comes under. */
export type MessengerWords = Said &
  (
    | { readonly text: string; readonly quickReply?: string }
    | { readonly files: readonly CustomerFile[]; readonly text?: string }
    | { readonly postback: { readonly title: string; readonly payload: string } }
    | { readonly reaction: { readonly to: string; readonly emoji: string } }
    | { readonly unsend: string }
    | { readonly raw: Readonly<Record<string, unknown>>; readonly field: string }
  );

/** By number, or, where somebody keeps it to himself, by the id and the user name that Meta gives in its place. */
export interface WhatsAppPerson {
  /** Digits; a plus is taken off. */
  readonly phone?: string;
  readonly userId?: string;
  readonly username?: string;
  readonly name?: string;
}

/** The app of Meta's own inbox of pages. */
const PAGE_INBOX = 263_902_037_430_900;

/** The people outside: what they write reaches the business by webhooks. */
export class Customers {
  readonly #world: World;
  readonly #reports: Reports;
  readonly #mediaUrl: (media: SimMedia, isOpen: boolean) => string;

  constructor(
    world: World,
    reports: Reports,
    mediaUrl: (media: SimMedia, isOpen: boolean) => string,
  ) {
    this.#world = world;
    this.#reports = reports;
    this.#mediaUrl = mediaUrl;
  }

  /** @returns the message's id */
  whatsapp(number: SimNumber, from: WhatsAppPerson, words: WhatsAppWords): string {
    const phone = from.phone?.replace(/^\+/, '');
    const key = phone ?? from.userId ?? '';
    const at = words.at ?? this.#world.now();
    const id = words.id ?? newWamid();
    number.wroteAt.set(key, Math.max(at, number.wroteAt.get(key) ?? 0));
    const name = from.name ?? `Customer ${key.slice(-3)}`;
    this.#reports.tellNumber(number, {
      contacts: [
        {
          profile: { name, ...known({ username: from.username }) },
          ...known({ wa_id: phone, user_id: from.userId }),
        },
      ],
      messages: [
        {
          ...known({ from: phone, from_user_id: from.userId }),
          id,
          timestamp: String(Math.floor(at / 1000)),
          ...(words.quotes !== undefined && {
            context: { from: number.display.replace(/\D/g, ''), id: words.quotes },
          }),
          ...this.#whatsappContent(number, words),
        },
      ],
    });
    return id;
  }

  /** The business writes by its own WhatsApp app, beside the API (field smb_message_echoes). @returns the message's id */
  besides(number: SimNumber, to: string, text: string): string {
    const id = newWamid();
    const echo = {
      from: number.display.replace(/\D/g, ''),
      to: to.replace(/^\+/, ''),
      id,
      timestamp: String(Math.floor(this.#world.now() / 1000)),
      type: 'text',
      text: { body: text },
    };
    this.#reports.tellNumber(number, { message_echoes: [echo] }, 'smb_message_echoes');
    return id;
  }

  /** Somebody writes in the page's own inbox. @returns the message's id */
  inInbox(page: SimPage, psid: string, text: string): string {
    const mid = newMid();
    this.#reports.echo(page, psid, { mid, app_id: PAGE_INBOX, text });
    return mid;
  }

  /** @returns the message's id; of a postback, a reaction or an unsent message the id it speaks of or has */
  messenger(page: SimPage, from: { psid?: string; name?: string }, words: MessengerWords): string {
    const psid = from.psid ?? newNodeId(16);
    const [first = 'Somebody', last = ''] = (from.name ?? '').split(' ').filter(Boolean);
    if (!page.people.has(psid)) page.people.set(psid, { first, last });
    const at = words.at ?? this.#world.now();
    const id = words.id ?? newMid();
    const { field, event } = this.#messengerEvent(page, id, words);
    if (['messages', 'messaging_postbacks'].includes(field) && !('unsend' in words))
      page.wroteAt.set(psid, Math.max(at, page.wroteAt.get(psid) ?? 0));
    this.#reports.tellPage(page, field, {
      sender: { id: psid },
      recipient: { id: page.id },
      timestamp: at,
      ...event,
    });
    return id;
  }

  #whatsappContent(number: SimNumber, words: WhatsAppWords): Record<string, unknown> {
    if ('raw' in words) return words.raw;
    if ('text' in words) return { type: 'text', text: { body: words.text } };
    if ('reaction' in words) {
      const { to, emoji } = words.reaction;
      return { type: 'reaction', reaction: { message_id: to, ...(emoji !== '' && { emoji }) } };
    }
    if ('button' in words) return { type: 'button', button: words.button };
    if ('choice' in words) {
      const { from, ...choice } = words.choice;
      const type = from === 'list' ? 'list_reply' : 'button_reply';
      return { type: 'interactive', interactive: { type, [type]: choice } };
    }
    const { kind, bytes, contentType, filename, caption } = words.file;
    const media = this.#world.media.add({ bytes, contentType, owner: number.id, filename });
    return {
      type: kind,
      [kind]: {
        ...(caption !== undefined && { caption }),
        ...(kind === 'document' && filename !== undefined && { filename }),
        ...(kind === 'audio' && { voice: true }),
        ...(kind === 'sticker' && { animated: false }),
        mime_type: contentType,
        // Webhooks carry it in base64, the media answer in hex.
        sha256: Buffer.from(media.sha256, 'hex').toString('base64'),
        id: media.id,
        url: this.#mediaUrl(media, false),
      },
    };
  }

  #messengerEvent(page: SimPage, mid: string, words: MessengerWords) {
    if ('raw' in words) return { field: words.field, event: words.raw };
    if ('postback' in words)
      return { field: 'messaging_postbacks', event: { postback: { ...words.postback, mid } } };
    if ('reaction' in words) {
      const { to, emoji } = words.reaction;
      const reaction =
        emoji === ''
          ? { action: 'unreact', mid: to }
          : { action: 'react', reaction: 'other', emoji, mid: to };
      return { field: 'message_reactions', event: { reaction } };
    }
    if ('unsend' in words)
      return { field: 'messages', event: { message: { mid: words.unsend, is_deleted: true } } };
    const files = 'files' in words ? words.files : [];
    const held = files.map((file) => this.#world.media.add({ ...file, owner: page.id }));
    if (held.length > 0) page.files.set(mid, held);
    const quickReply = 'quickReply' in words ? words.quickReply : undefined;
    return {
      field: 'messages',
      event: {
        message: {
          mid,
          ...(words.text !== undefined && { text: words.text }),
          ...(quickReply !== undefined && { quick_reply: { payload: quickReply } }),
          ...(words.quotes !== undefined && { reply_to: { mid: words.quotes } }),
          ...(files.length > 0 && {
            attachments: files.map(({ kind }, place) => this.#attachment(kind, held[place]!)),
          }),
        },
      },
    };
  }

  #attachment(kind: CustomerFile['kind'], media: SimMedia): object {
    const type = kind === 'document' ? 'file' : kind === 'sticker' ? 'image' : kind;
    return {
      type,
      payload: {
        url: this.#mediaUrl(media, true),
        ...(kind === 'sticker' && { sticker_id: Number(media.id.slice(0, 15)) }),
      },
    };
  }
}

/** Without what is not there. */
function known(given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
