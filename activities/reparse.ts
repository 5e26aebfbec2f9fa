import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { Db } from '../db/connection.ts';
import { readBlob, type StoredBlob } from '../db/queries/blobs.ts';
import {
  markParsed,
  parsedBefore,
  replaceBody,
  replaceParsed,
  setAsideIds,
  type ParsedBefore,
  type ReparseFilter,
} from '../db/queries/reparse.ts';
import { retrySetAside } from '../db/queries/set-aside.ts';
import type { TenantId } from '../domain/ids.ts';
import { chatReadAgain } from '../domain/chat-source.ts';
import { parseMail, type ParsedMail } from '../domain/mail/parse.ts';
import { mailContext } from '../domain/mail/source-notes.ts';
import type { NormalizedMessage } from '../domain/message.ts';
import { isChat, readChat, type ChatProvider } from '../providers/chat-provider.ts';
import { findProvider } from '../providers/registry.ts';
import { keepAttachments } from './attachment-bytes.ts';

export interface ReparseOptions extends ReparseFilter {
  /** Says what would change, and changes nothing. */
  readonly dryRun?: boolean;
  /** Which sources: those that became messages, those set aside, or both when missing. */
  readonly status?: 'ingested' | 'set_aside';
}

export interface ReparseProgress {
  /** One message was read again; `fields` names what changed in it. */
  readonly message?: {
    readonly sourceId: string;
    readonly messageId: string;
    readonly fields: readonly string[];
  };
  /** One source could not be read again: its message stays as it was. */
  readonly failed?: { readonly sourceId: string; readonly reason: string };
  /** One source that was set aside is staged again. */
  readonly retried?: string;
}

export interface ReparseTotals {
  read: number;
  changed: number;
  failed: number;
  retried: number;
}

const BATCH = 50;

/**
 * Reads stored sources again with the current parser and puts what changed in the place of what was: no message, ticket
 * or attachment is doubled, and no event is raised. Sources set aside are staged again, for the running product to
 * ingest as any other. Stopped at any time, it goes on where it was: what the current parser has read is passed over.
 */
export async function reparse(
  db: Db,
  tenantId: TenantId,
  options: ReparseOptions,
  onProgress: (progress: ReparseProgress) => void,
): Promise<ReparseTotals> {
  const totals: ReparseTotals = { read: 0, changed: 0, failed: 0, retried: 0 };
  if (options.status !== 'set_aside')
    await reparseMessages(db, tenantId, options, totals, onProgress);
  if (options.status !== 'ingested') await retryAll(db, tenantId, options, totals, onProgress);
  return totals;
}

async function reparseMessages(
  db: Db,
  tenantId: TenantId,
  options: ReparseOptions,
  totals: ReparseTotals,
  onProgress: (progress: ReparseProgress) => void,
): Promise<void> {
  for (let after = ''; ;) {
    const batch = await parsedBefore(db, tenantId, options, { after, limit: BATCH });
    if (batch.length === 0) return;
    after = batch.at(-1)!.id;
    for (const before of batch) {
      totals.read++;
      try {
        const fields = await reparseOne(db, tenantId, before, options.dryRun ?? false);
        if (fields.length > 0) totals.changed++;
        onProgress({ message: { sourceId: before.id, messageId: before.message_id, fields } });
      } catch (error) {
        totals.failed++;
        const reason = error instanceof Error ? error.message : String(error);
        onProgress({ failed: { sourceId: before.id, reason } });
      }
    }
  }
}

/** @returns the fields of the message that changed. */
async function reparseOne(
  db: Db,
  tenantId: TenantId,
  before: ParsedBefore,
  dryRun: boolean,
): Promise<string[]> {
  const provider = findProvider(before.provider);
  if (isChat(provider)) return reparseChat(db, tenantId, provider, before, dryRun);
  const context = mailContext(before, before);
  const mail = await parseMail(open(db, tenantId, before), context);
  const fields = changedFields(before.body, mail.message);
  if (dryRun) return fields;
  if (fields.length === 0) {
    await markParsed(db, tenantId, [before.message_id]);
    return fields;
  }
  const contents = await newContents(db, tenantId, before, mail);
  await replaceParsed(db, tenantId, before, mail, contents);
  return fields;
}

/** A chat's files stay as they are: their vendor may have them no more. */
async function reparseChat(
  db: Db,
  tenantId: TenantId,
  provider: ChatProvider,
  before: ParsedBefore,
  dryRun: boolean,
): Promise<string[]> {
  const bytes = Buffer.concat(await open(db, tenantId, before).toArray());
  const chat = readChat(provider, before, bytes);
  const readAgain = (body: NormalizedMessage) =>
    chatReadAgain(chat, before.provider_message_id ?? chat.message.message_id, body);
  const fields = changedFields(before.body, readAgain(before.body));
  if (dryRun) return fields;
  if (fields.length === 0) await markParsed(db, tenantId, [before.message_id]);
  else await replaceBody(db, tenantId, before, readAgain);
  return fields;
}

function open(db: Db, tenantId: TenantId, { sha256 }: ParsedBefore): Readable {
  return Readable.from(readBlob(db, tenantId, sha256));
}

function changedFields(before: NormalizedMessage, message: NormalizedMessage): string[] {
  // As jsonb gives it back: without what is undefined.
  const after = JSON.parse(JSON.stringify(message)) as Record<string, unknown>;
  const known: Record<string, unknown> = { ...before };
  return [...new Set([...Object.keys(known), ...Object.keys(after)])].filter(
    (field) => !isDeepStrictEqual(known[field], after[field]),
  );
}

/** Bytes of the attachments that no earlier reading stored; a mail is decoded again only where there are any. */
async function newContents(
  db: Db,
  tenantId: TenantId,
  before: ParsedBefore,
  mail: ParsedMail,
): Promise<(Buffer | StoredBlob | null)[]> {
  const stored = new Set(before.body.attachments.map((one) => one.sha256));
  if (mail.attachments.every((one) => stored.has(one.sha256)))
    return mail.attachments.map(() => null);
  const contents: (Buffer | StoredBlob)[] = [];
  await parseMail(open(db, tenantId, before), {
    ...mailContext(before, before),
    onAttachment: keepAttachments(db, tenantId, contents),
  });
  return mail.attachments.map((one) => contents[one.index] ?? null);
}

async function retryAll(
  db: Db,
  tenantId: TenantId,
  options: ReparseOptions,
  totals: ReparseTotals,
  onProgress: (progress: ReparseProgress) => void,
): Promise<void> {
  for (const id of await setAsideIds(db, tenantId, options)) {
    // The row it leaves in the outbox nudges the channel: the running product drains it.
    const staged = options.dryRun || (await retrySetAside(db, tenantId, id)).outcome === 'staged';
    if (!staged) continue;
    totals.retried++;
    onProgress({ retried: id });
  }
}
