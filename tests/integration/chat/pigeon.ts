import { Readable } from 'node:stream';
import { z } from 'zod';
import type { ChatMessage } from '../../../domain/chat.ts';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { ChannelProvider, SourceMeta } from '../../../providers/contract.ts';

// A chat of the test's own: its sources are JSON, its files lie in a map, and it tells what it was asked.

export const HOUR_MS = 3_600_000;

const Settings = z.object({
  ticket_creation_enabled: z.boolean().optional(),
  window_hours: z.number().default(24),
});
type Settings = z.infer<typeof Settings>;

/** A message as this vendor would push it. */
export interface Note {
  readonly id: string | null;
  /** Who it is talked with. */
  readonly who: string;
  readonly name?: string;
  readonly text?: string;
  readonly at: Date;
  readonly quotes?: string;
  readonly reaction?: { to: string; emoji: string };
  readonly echo?: boolean;
  readonly sentAs?: string;
  /** What became of something, rather than a person's word. */
  readonly notice?: boolean;
  readonly files?: readonly {
    id: string;
    filename?: string;
    contentType?: string;
    sha256?: string;
  }[];
}

/** When what is noted begins. */
export const START = Date.parse('2026-11-20T10:00:00Z');

/** Makes notes of one customer's, each with a name of its own. @param prefix of their names */
export function notesOf(who: string, prefix: string) {
  let count = 0;
  return ({ minute = 0, ...fields }: Partial<Note> & { minute?: number } = {}): Note => {
    count += 1;
    const at = new Date(START + minute * 60_000);
    return { id: `${prefix}${count}`, who, name: 'Ada', text: 'Hello', at, ...fields };
  };
}

export function sourceOf(note: Note): Buffer {
  return Buffer.from(JSON.stringify(note));
}

function read(source: Buffer, { receivedAt }: SourceMeta): ChatMessage {
  const note = JSON.parse(source.toString()) as Note;
  if (note.text === 'unreadable') throw new Error('the pigeon lost it');
  const party = { address: note.who, name: note.name ?? '' };
  const us = { address: '+4930000', name: 'Shop' };
  const [sender, to] = note.echo ? [us, party] : [party, us];
  const text = note.text ?? '';
  return {
    party,
    answers: note.quotes === undefined ? [] : [note.quotes],
    opensWindow: !note.echo && !note.notice,
    ...(note.reaction ? { reaction: note.reaction } : {}),
    ...(note.sentAs === undefined ? {} : { sentAs: note.sentAs }),
    notes: [],
    media: (note.files ?? []).map((file) => ({
      id: file.id,
      url: null,
      filename: file.filename ?? null,
      contentType: file.contentType ?? null,
      sha256: file.sha256 ?? null,
      inline: false,
    })),
    message: {
      channel: 'whatsapp',
      direction: note.echo ? 'outbound' : 'inbound',
      kind: note.notice ? 'notification' : 'message',
      status: note.echo ? 'sent' : 'received',
      priority: 'normal',
      from: sender.address,
      sender,
      reply_to: [],
      to: [to],
      cc: [],
      bcc: [],
      subject: null,
      content: text,
      new_content: text,
      quoted_content: null,
      html: null,
      timestamp: new Date(note.at).toISOString(),
      received_at: receivedAt.toISOString(),
      message_id: null,
      in_reply_to: [],
      references: [],
      attachments: [],
      metadata: {
        service_specific_data: {},
        platform_specific: { message_type: note.files ? 'image' : 'text' },
      },
    },
  };
}

export interface Pigeon {
  readonly provider: ChannelProvider;
  /** By their id: bytes, or why they can't be had. */
  readonly files: Map<string, Buffer | ProviderFailure>;
  readonly profiles: Map<string, string>;
  /** What was asked of the vendor, in order. */
  readonly asked: string[];
}

export function pigeon(): Pigeon {
  const files: Pigeon['files'] = new Map();
  const profiles: Pigeon['profiles'] = new Map();
  const asked: string[] = [];
  const provider: ChannelProvider<Settings> = {
    manifest: { name: 'pigeon', title: 'Pigeon', settings: Settings, secrets: [], source: read },
    sender: { send: () => Promise.reject(new Error('nothing goes out here')) },
    chat: {
      windowMs: ({ window_hours: hours }) => hours * HOUR_MS,
      limits: { text: 100, attachments: 1, interactive: [] },
      receipts: true,
      fetchMedia(_call, { id }) {
        asked.push(`file ${id}`);
        const found = files.get(id!);
        if (found instanceof ProviderFailure) return Promise.reject(found);
        if (!found) return Promise.reject(gone());
        return Promise.resolve({ content: Readable.from([found]), contentType: null });
      },
      profile(_call, address) {
        asked.push(`profile ${address}`);
        const name = profiles.get(address);
        return Promise.resolve(name === undefined ? null : { name });
      },
      markRead(_call, { providerMessageId }) {
        asked.push(`read ${providerMessageId}`);
        return Promise.resolve();
      },
    },
  };
  return {
    provider: provider as unknown as ChannelProvider, // as registry.ts registers its own
    files,
    profiles,
    asked,
  };
}

function gone(): ProviderFailure {
  return new ProviderFailure({
    code: 'pigeon.file_gone',
    class: 'give_up',
    message: 'The file is gone.',
  });
}
