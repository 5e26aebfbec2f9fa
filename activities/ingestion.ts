import { Readable } from 'node:stream';
import { inTenant } from '../db/connection.ts';
import { readBlob, readBlobs, type StoredBlob } from '../db/queries/blobs.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import type { ParsedSource } from '../db/queries/ingest-item.ts';
import { ingestBatch } from '../db/queries/ingest.ts';
import { isConnectionGone } from '../db/queries/pg-error.ts';
import { setAside, stagedSource, stagedSources, type StagedSource } from '../db/queries/staged.ts';
import type { SourceId, TenantId } from '../domain/ids.ts';
import { parseMail, type ParsedMail } from '../domain/mail/parse.ts';
import {
  evaluate,
  evaluateReleased,
  NO_VERDICT,
  type CompiledRules,
  type Verdict,
} from '../domain/rules/evaluate.ts';
import { ruleFacts } from '../domain/rules/facts.ts';
import { asRulesSee } from '../domain/chat-source.ts';
import { mailContext } from '../domain/mail/source-notes.ts';
import { isChat, readChat } from '../providers/chat-provider.ts';
import type { ChannelProvider } from '../providers/contract.ts';
import { findProvider } from '../providers/registry.ts';
import { hasWayOut } from '../providers/way-out.ts';
import { ingestDelay, setAsideSources, sourcesFiltered } from '../telemetry/metrics.ts';
import { traced, type SpanOptions } from '../telemetry/trace.ts';
import { keepAttachments } from './attachment-bytes.ts';
import { channelRules } from './channel-rules.ts';
import { completeChats, type ParsedChat, type ReadChat } from './chat-ingestion.ts';
import type { Deps } from './deps.ts';

/** Mails stored in one transaction. */
const BATCH = 100;
/** What a batch may hold in memory; a larger source is streamed by itself. */
const BATCH_BYTES = 16 * 1_048_576;

export type FindProvider = (name: string) => ChannelProvider | undefined;

interface ParsedStaged extends ParsedSource {
  readonly stagedAt: Date;
}

/** Bytes of sources that whoever staged them still has in memory; given up as they are parsed. */
export type HeldSources = Map<SourceId, Buffer>;

/**
 * Parses and stores what a channel has staged, until nothing is left. A mail that can't be parsed or stored is set
 * aside with its reason and blocks nothing. Returns how many messages are new.
 */
export async function ingestStaged(
  deps: Deps,
  channel: LoadedChannel,
  heartbeat: () => void,
  find: FindProvider = findProvider,
): Promise<number> {
  const ingestion = new Ingestion(deps, channel, heartbeat, new Map(), find);
  await ingestion.takeStaged();
  return ingestion.end();
}

/**
 * Ingests one staged source at once, out of its turn. Where it is gone, or another process has it in hand, nothing is
 * done.
 */
export async function ingestSource(
  deps: Deps,
  channel: LoadedChannel,
  sourceId: SourceId,
): Promise<void> {
  const reader: Reader = { deps, channel, find: findProvider, heartbeat: () => {} };
  const source = await stagedSource(deps.db, channel.facts.tenantId, sourceId);
  if (!source) return;
  await traced('ingest', spanOf(channel, [source]), async () => {
    const rules = await channelRules(deps, channel);
    const mails = await parseAll(reader, rules, [source], new Map());
    await storeAll(reader, rules, mails, false);
  });
}

/**
 * A channel's ingestion, batch by batch: while one is stored and handed over, the next is parsed; no third waits in
 * memory. End it, whatever happens, with `end` or `settled`.
 */
export class Ingestion {
  readonly #deps: Deps;
  readonly #channel: LoadedChannel;
  readonly #heartbeat: () => void;
  readonly #held: HeldSources;
  readonly #find: FindProvider;
  #after = '';
  #ingested = 0;
  #storing: Promise<void> = Promise.resolve();

  /** @param held what need not be read again */
  constructor(
    deps: Deps,
    channel: LoadedChannel,
    heartbeat: () => void,
    held: HeldSources = new Map(),
    find: FindProvider = findProvider,
  ) {
    this.#deps = deps;
    this.#channel = channel;
    this.#heartbeat = heartbeat;
    this.#held = held;
    this.#find = find;
  }

  /** Takes all that is staged by now; the last of it may still be on its way when this returns. */
  async takeStaged(): Promise<void> {
    const { tenantId, id } = this.#channel.facts;
    for (;;) {
      const staged = await stagedSources(this.#deps.db, tenantId, id, {
        after: this.#after,
        limit: BATCH,
        maxBytes: BATCH_BYTES,
      });
      if (staged.length === 0) return;
      this.#after = staged.at(-1)!.id;
      this.#heartbeat();
      await this.#begin(staged);
    }
  }

  /** Waits until all is stored and handed over. Returns how many messages are new. */
  async end(): Promise<number> {
    await this.#storing;
    return this.#ingested;
  }

  /** Waits until nothing is on its way; where something failed, whoever took it has been told. */
  async settled(): Promise<void> {
    await this.#storing.catch(() => {});
  }

  #reader(): Reader {
    return {
      deps: this.#deps,
      channel: this.#channel,
      find: this.#find,
      heartbeat: this.#heartbeat,
    };
  }

  /** Returns when the batch is parsed and it is its turn to be stored. */
  #begin(staged: readonly StagedSource[]): Promise<void> {
    const before = this.#storing;
    return new Promise((parsed, failed) => {
      this.#storing = traced('ingest', spanOf(this.#channel, staged), async () => {
        const rules = await channelRules(this.#deps, this.#channel);
        const mails = await parseAll(this.#reader(), rules, staged, this.#held);
        await before;
        parsed();
        this.#ingested += await this.#deps.way.turn((gently) =>
          storeAll(this.#reader(), rules, mails, gently),
        );
        this.#heartbeat();
      });
      this.#storing.catch(failed);
    });
  }
}

/** A single source goes on in the trace that staged it; a batch is a trace of its own that names those of its sources. */
function spanOf({ facts, provider }: LoadedChannel, staged: readonly StagedSource[]): SpanOptions {
  const [first, ...others] = new Set(staged.map(({ traceparent }) => traceparent));
  return {
    ...(others.length === 0 && first
      ? { parent: first }
      : { parent: null, links: [first!, ...others] }),
    attributes: {
      'postroom.tenant': facts.tenantId,
      'postroom.channel': facts.id,
      'postroom.provider': provider,
      'postroom.sources': staged.length,
    },
  };
}

async function storeAll(
  reader: Reader,
  rules: CompiledRules,
  parsed: readonly ParsedStaged[],
  gently: boolean,
): Promise<number> {
  if (parsed.length === 0) return 0;
  const { deps, channel } = reader;
  try {
    return await store(reader, rules, parsed, gently);
  } catch (error) {
    if (isPassing(error)) throw error;
    if (parsed.length === 1) {
      await putAside(deps, channel, parsed[0]!.sourceId, 'store', error);
      return 0;
    }
    // One of them can't be stored: each for itself, so that it alone is set aside.
    let ingested = 0;
    for (const one of parsed) {
      ingested += await store(reader, rules, [one], gently).catch(async (single: unknown) => {
        if (isPassing(single)) throw single;
        await putAside(deps, channel, one.sourceId, 'store', single);
        return 0;
      });
    }
    return ingested;
  }
}

async function store(
  { deps, channel, find }: Reader,
  { autoresponder }: CompiledRules,
  parsed: readonly ParsedStaged[],
  gently: boolean,
): Promise<number> {
  const { facts, provider, settings } = channel;
  const found = find(provider);
  const chat = found?.chat;
  const { pending, messages, filtered } = await ingestBatch(
    deps.db,
    deps.keys,
    {
      tenantId: facts.tenantId,
      id: facts.id,
      provider,
      name: facts.name,
      canSend: found !== undefined && hasWayOut(found, settings),
      address: facts.address,
      autoresponder,
      ...(chat && { telling: { chat, settings } }),
    },
    parsed,
  );
  await deps.relay.flush(pending, { gently });
  for (const { stagedAt } of parsed)
    ingestDelay.observe({ provider }, Math.max(0, Date.now() - stagedAt.getTime()) / 1000);
  for (const by of filtered) sourcesFiltered.inc({ provider, by });
  return messages;
}

/** What a batch is read with. */
interface Reader {
  readonly deps: Deps;
  readonly channel: LoadedChannel;
  readonly find: FindProvider;
  readonly heartbeat: () => void;
}

async function parseAll(
  reader: Reader,
  rules: CompiledRules,
  staged: readonly StagedSource[],
  held: HeldSources,
): Promise<ParsedStaged[]> {
  const { deps, channel } = reader;
  const { tenantId } = channel.facts;
  const unheld = staged.filter((source) => !held.has(source.id));
  const read = await readSmall(deps, tenantId, unheld);
  const provider = reader.find(channel.provider);
  const chats: ReadChat[] = [];
  const parsed: ParsedStaged[] = [];
  for (const source of staged) {
    const bytes =
      held.get(source.id) ??
      read.get(source.sha256.toString('hex')) ??
      Readable.from(readBlob(deps.db, tenantId, source.sha256));
    held.delete(source.id);
    try {
      if (isChat(provider))
        chats.push({ source, chat: readChat(provider, source, await whole(bytes)) });
      else parsed.push(await parseOne(deps, channel, rules, source, bytes));
    } catch (error) {
      if (isPassing(error)) throw error;
      await putAside(deps, channel, source.id, 'parse', error);
    }
  }
  if (!isChat(provider)) return parsed;
  const complete = await completeChats(deps, channel, provider, chats, reader.heartbeat);
  return complete.map((one) => stagedChat(rules, one));
}

function stagedChat(
  rules: CompiledRules,
  { source, mail, attachments, chat }: ParsedChat,
): ParsedStaged {
  // Nobody else asks than who writes; of what was sent beside us rules have nothing to say.
  const isTheirs = mail.message.direction === 'inbound';
  return {
    sourceId: source.id,
    stagedAt: source.staged_at,
    providerMessageId: source.provider_message_id,
    mail,
    attachments,
    chat,
    verdict: isTheirs
      ? { ...verdictOn(rules, asRulesSee(mail, chat.subject), source), requester: null }
      : NO_VERDICT,
  };
}

async function whole(bytes: Buffer | Readable): Promise<Buffer> {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.concat(await bytes.toArray());
}

async function readSmall(
  deps: Deps,
  tenantId: TenantId,
  sources: readonly StagedSource[],
): Promise<ReadonlyMap<string, Buffer>> {
  const small = sources.filter((source) => source.size <= BATCH_BYTES);
  if (small.length === 0) return new Map();
  const hashes = small.map((source) => source.sha256);
  return inTenant(deps.db, tenantId, (tx) => readBlobs(tx, tenantId, hashes));
}

async function putAside(
  deps: Deps,
  { facts, provider }: LoadedChannel,
  sourceId: SourceId,
  step: 'parse' | 'store',
  error: unknown,
): Promise<void> {
  await setAside(deps.db, facts.tenantId, sourceId, reasonOf(step, error));
  setAsideSources.inc({ provider, step });
}

async function parseOne(
  deps: Deps,
  channel: LoadedChannel,
  rules: CompiledRules,
  source: StagedSource,
  bytes: Buffer | Readable,
): Promise<ParsedStaged> {
  const contents: (Buffer | StoredBlob)[] = [];
  const mail = await parseMail(bytes, {
    ...mailContext(source, channel),
    onAttachment: keepAttachments(deps.db, channel.facts.tenantId, contents),
  });
  return {
    sourceId: source.id,
    stagedAt: source.staged_at,
    providerMessageId: source.provider_message_id,
    mail,
    attachments: mail.attachments.map(
      (attachment) => contents[attachment.index] ?? Buffer.alloc(0),
    ),
    verdict: verdictOn(rules, mail, source),
  };
}

/** What the rules make of a mail; one that an admin let in is turned away by none. */
function verdictOn(
  rules: CompiledRules,
  mail: ParsedMail,
  { size, meta }: Pick<StagedSource, 'size' | 'meta'>,
): Verdict {
  const facts = ruleFacts(mail, size);
  return meta?.released ? evaluateReleased(rules, facts) : evaluate(rules, facts);
}

/**
 * The database's or the network's trouble, which passes, as does a schema that is older or newer than this code (class
 * 42, in the middle of an update); anything else is the mail's own.
 */
function isPassing(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }; // any thrown value
  if (typeof code !== 'string') return isConnectionGone(error);
  return (
    /^(08|53|57|58|40|42|55|25)/.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET)/.test(code)
  );
}

function reasonOf(step: 'parse' | 'store', error: unknown): { type: string; detail: string } {
  const detail = error instanceof Error ? error.message : String(error);
  return { type: `${step}_failed`, detail: detail.replaceAll('\0', '').slice(0, 1000) };
}
