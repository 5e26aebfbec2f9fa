import { storedChannelCall } from '../db/channel-call.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import type { ChatFacts, MissingMedia, ParsedSource } from '../db/queries/ingest-item.ts';
import type { StagedSource } from '../db/queries/staged.ts';
import type { ChatMessage } from '../domain/chat.ts';
import {
  chatAsParsed,
  chatSubject,
  isNotice,
  missingFile,
  optingOf,
} from '../domain/chat-source.ts';
import { ProviderFailure } from '../domain/failure.ts';
import { uniqueNames } from '../domain/mail/filenames.ts';
import type { NormalizedMessage } from '../domain/message.ts';
import type { ChatProvider } from '../providers/chat-provider.ts';
import type { ProviderCall } from '../providers/contract.ts';
import { fetchUnlessRefused, missingAfter, type FetchedFile } from './chat-files.ts';
import { profileNames } from './chat-profiles.ts';
import type { Deps } from './deps.ts';
import { inParallel } from './in-parallel.ts';
import { withSignsOfLife } from './signs-of-life.ts';

/** Files of one batch that are fetched at once. */
const AT_ONCE = 8;
/** What one file may take, and all of a batch together: the messages behind them wait no longer. */
const FILE_MS = 8_000;
const BATCH_MS = 10_000;

/** A chat's staged source as its mapper read it. */
export interface ReadChat {
  readonly source: StagedSource;
  readonly chat: ChatMessage;
}

/** What a chat's source comes to, beside its receipt and the rules' verdict. */
export type ParsedChat = Pick<ParsedSource, 'mail' | 'attachments'> & {
  readonly source: StagedSource;
  readonly chat: ChatFacts;
};

/**
 * Messages of a batch in the order in which they were written, with the files they carry and the names of people whom
 * their channel does not name. What can't be had in time is left for later, or for good, with its reason: it keeps no
 * message waiting.
 */
export async function completeChats(
  deps: Deps,
  channel: LoadedChannel,
  provider: ChatProvider,
  read: readonly ReadChat[],
  heartbeat: () => void,
): Promise<ParsedChat[]> {
  if (read.length === 0) return [];
  return withSignsOfLife(heartbeat, async (signal) => {
    const call = await storedChannelCall(deps, provider, channel, { signal });
    const unnamed = read.flatMap(({ chat: { party } }) => (party.name === '' ? party.address : []));
    const names = await profileNames(deps, channel, provider, call, unnamed);
    const until = Date.now() + BATCH_MS;
    const parsed = await inParallel(AT_ONCE, read, async ({ source, chat }) => {
      const name = chat.party.name || (names.get(chat.party.address) ?? '');
      const files = await filesOf(deps, channel, provider, call, chat, until);
      return complete(provider, call, source, withName(chat, name), files);
    });
    return parsed.toSorted((a, b) => timeOf(a) - timeOf(b));
  });
}

function timeOf({ mail }: ParsedChat): number {
  return Date.parse(mail.message.timestamp);
}

interface Files {
  readonly fetched: readonly FetchedFile[];
  readonly missing: readonly MissingMedia[];
}

/** One message's files, one after the other. */
async function filesOf(
  deps: Deps,
  channel: LoadedChannel,
  provider: ChatProvider,
  call: ProviderCall<unknown>,
  { media, message }: ChatMessage,
  until: number,
): Promise<Files> {
  const fetched: FetchedFile[] = [];
  const missing: MissingMedia[] = [];
  // Of what was sent beside us it must be known first that it was not sent by us.
  const isLater = () => message.direction === 'outbound' || Date.now() > until;
  for (const [position, reference] of media.entries()) {
    if (isLater()) {
      missing.push({ position, reference, attempts: 0, error: WAITING, nextAt: new Date() });
      continue;
    }
    const attempt = { position, attempt: 1, timeoutMs: FILE_MS };
    try {
      fetched.push(await fetchUnlessRefused(deps, channel, provider, call, reference, attempt));
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      missing.push(missingAfter(error, reference, attempt));
    }
  }
  return { fetched, missing };
}

const WAITING = { code: 'media.waiting', detail: 'It is still to be fetched.' };

function complete(
  { chat: capability }: ChatProvider,
  { settings }: ProviderCall<unknown>,
  source: StagedSource,
  chat: ChatMessage,
  { fetched, missing }: Files,
): ParsedChat {
  const { message, party, reaction = null, sentAs = null } = chat;
  const vendorId = source.provider_message_id ?? message.message_id;
  const unique = uniqueNames();
  const stored = fetched.map(({ file }) => ({ ...file, filename: unique(file.filename) }));
  const mail = chatAsParsed(chat, vendorId, {
    stored,
    missing: missing.map(missingFile),
    notes: fetched.flatMap(({ file, note }) => (note === null ? [] : `${file.filename}: ${note}`)),
  });
  const opting = optingOf(chat);
  const writtenAt = Date.parse(message.timestamp);
  return {
    source,
    mail,
    attachments: fetched.map(({ content }) => content),
    chat: {
      party,
      vendorId,
      answers: chat.answers,
      subject: chatSubject(chat),
      windowEndsAt: chat.opensWindow ? new Date(writtenAt + capability.windowMs(settings)) : null,
      beginsNothing: whyNoTicket(settings, message, opting),
      opting,
      reaction,
      sentAs,
      positions: fetched.map(({ file }) => file.index),
      missing,
    },
  };
}

function whyNoTicket(
  settings: unknown,
  message: NormalizedMessage,
  opting: 'out' | 'in' | null,
): string | null {
  const { ticket_creation_enabled: creates } = (settings ?? {}) as {
    ticket_creation_enabled?: unknown; // a common, optional setting
  };
  if (creates === false) return 'The channel begins no tickets: ticket_creation_enabled is false.';
  if (opting === 'out') return 'The customer asked to hear no more.';
  return isNotice(message) ? 'It is a notice: nobody wrote anything.' : null;
}

function withName(chat: ChatMessage, name: string): ChatMessage {
  const { message, party } = chat;
  if (name === party.name) return chat;
  const { sender } = message;
  const isTheirs = sender?.address === party.address && sender.name === '';
  return {
    ...chat,
    party: { ...party, name },
    message: isTheirs ? { ...message, sender: { ...sender, name } } : message,
  };
}
