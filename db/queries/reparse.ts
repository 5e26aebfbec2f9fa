import { sql } from 'kysely';
import { newId, type MessageId, type SourceId, type TenantId } from '../../domain/ids.ts';
import { PARSER_VERSION, type ParsedMail } from '../../domain/mail/parse.ts';
import type { NormalizedMessage } from '../../domain/message.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { insertBlobs, type StoredBlob } from './blobs.ts';
import type { StagedSource } from './staged.ts';
import { rebuildSearch, receivedText } from './ticket-search.ts';

export interface ReparseFilter {
  readonly channelId?: string;
  /** Received then or later. */
  readonly since?: Date;
  readonly sourceId?: string;
  /** Those too that the current parser has read already. */
  readonly again?: boolean;
}

/** A message with the source that it came of. */
export interface ParsedBefore extends Omit<StagedSource, 'staged_at' | 'traceparent'> {
  readonly message_id: MessageId;
  readonly ticket_id: string | null;
  readonly provider: string;
  /** Of its channel, secrets apart. */
  readonly settings: unknown;
  readonly body: NormalizedMessage;
  readonly parser_version: number | null;
}

/** The next messages that an older parser read, in the order of their sources. */
export async function parsedBefore(
  db: Db,
  tenantId: TenantId,
  filter: ReparseFilter,
  { after, limit }: { after: string; limit: number },
): Promise<ParsedBefore[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .innerJoin('messages', 'messages.id', 'sources.message_id')
      .innerJoin('channels', 'channels.id', 'sources.channel_id')
      .select(['sources.id', 'sources.provider_message_id', 'sources.sha256', 'sources.size'])
      .select(['sources.envelope', 'sources.meta', 'sources.received_at'])
      .select(['messages.id as message_id', 'messages.ticket_id', 'messages.body'])
      .select(['messages.parser_version', 'channels.provider', 'channels.settings'])
      // Only the receipt that a message was made of, not its redeliveries.
      .whereRef('messages.source_id', '=', 'sources.id')
      .where('sources.tenant_id', '=', tenantId)
      .where('sources.status', '=', 'ingested')
      .where('sources.id', '>', after)
      .$if(!filter.again, (query) =>
        query.where((eb) =>
          eb.or([
            eb('messages.parser_version', 'is', null),
            eb('messages.parser_version', '<', PARSER_VERSION),
          ]),
        ),
      )
      .$call((query) => narrowed(query, filter))
      .orderBy('sources.id')
      .limit(limit)
      .execute(),
  );
  return rows as unknown as ParsedBefore[]; // jsonb columns hold what ingestion wrote
}

/** Sources that are set aside, oldest first. */
export async function setAsideIds(
  db: Db,
  tenantId: TenantId,
  filter: ReparseFilter,
): Promise<SourceId[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('sources')
      .select('sources.id')
      .where('sources.tenant_id', '=', tenantId)
      .where('sources.status', '=', 'set_aside')
      .$call((query) => narrowed(query, filter))
      .orderBy('sources.id')
      .execute(),
  );
  return rows.map((row) => row.id as SourceId);
}

interface Narrowable<Query> {
  where(column: 'sources.channel_id' | 'sources.id', is: '=', value: string): Query;
  where(column: 'sources.received_at', is: '>=', value: Date): Query;
}

function narrowed<Query extends Narrowable<Query>>(query: Query, filter: ReparseFilter): Query {
  let narrow = query;
  if (filter.channelId !== undefined)
    narrow = narrow.where('sources.channel_id', '=', filter.channelId);
  if (filter.sourceId !== undefined) narrow = narrow.where('sources.id', '=', filter.sourceId);
  if (filter.since !== undefined) narrow = narrow.where('sources.received_at', '>=', filter.since);
  return narrow;
}

/** Bytes of the attachments, in their order; null for those whose bytes are stored. */
export type NewContents = readonly (Buffer | StoredBlob | null)[];

/**
 * Puts what the current parser made of a source in the place of what an older one did: same message, same ticket, same
 * status; attachments keep their ids by position. Where the new content hash is another message's, the old one stays.
 */
export async function replaceParsed(
  db: Db,
  tenantId: TenantId,
  before: ParsedBefore,
  mail: ParsedMail,
  contents: NewContents,
): Promise<void> {
  await inTenant(db, tenantId, async (tx) => {
    await sql`
      update messages m set body = ${JSON.stringify(mail.message)}::jsonb, kind = ${mail.message.kind},
        timestamp = ${mail.message.timestamp}, parser_version = ${PARSER_VERSION}
       where m.id = ${before.message_id}`.execute(tx);
    await renameIdentity(tx, before, mail);
    await replaceAttachments(tx, tenantId, before, mail, contents);
    const isFoundAlike = receivedText(before.body) === receivedText(mail.message);
    if (before.ticket_id !== null && !isFoundAlike) await rebuildSearch(tx, before.ticket_id);
  });
}

/**
 * The same of a chat's message, whose files are not read again: they may come meanwhile. `readAgain` is given the body
 * as it is by then.
 */
export async function replaceBody(
  db: Db,
  tenantId: TenantId,
  before: ParsedBefore,
  readAgain: (body: NormalizedMessage) => NormalizedMessage,
): Promise<void> {
  await inTenant(db, tenantId, async (tx) => {
    const { body } = await tx
      .selectFrom('messages')
      .select('body')
      .where('id', '=', before.message_id)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const message = readAgain(body as unknown as NormalizedMessage); // what ingestion wrote
    await sql`
      update messages m set body = ${JSON.stringify(message)}::jsonb, kind = ${message.kind},
        timestamp = ${message.timestamp}, parser_version = ${PARSER_VERSION}
       where m.id = ${before.message_id}`.execute(tx);
    const isFoundAlike = receivedText(before.body) === receivedText(message);
    if (before.ticket_id !== null && !isFoundAlike) await rebuildSearch(tx, before.ticket_id);
  });
}

/** The current parser makes the same of it: only that is noted. */
export async function markParsed(
  db: Db,
  tenantId: TenantId,
  messageIds: readonly MessageId[],
): Promise<void> {
  if (messageIds.length === 0) return;
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('messages')
      .set({ parser_version: PARSER_VERSION })
      .where('id', 'in', [...messageIds])
      .execute(),
  );
}

async function renameIdentity(tx: Tx, before: ParsedBefore, mail: ParsedMail): Promise<void> {
  const { messageId } = mail.threading;
  const hash = Buffer.from(mail.contentHash, 'hex');
  await sql`
    update messages m set message_id = ${messageId}, content_hash = ${hash}
     where m.id = ${before.message_id} and not exists (
       select from messages o where o.channel_id = m.channel_id and o.id <> m.id and o.direction = 'inbound'
          and o.message_id is not distinct from ${messageId}::text and o.content_hash = ${hash})`.execute(
    tx,
  );
  if (messageId === null || before.ticket_id === null) return;
  await sql`
    insert into thread_ids (tenant_id, message_id, ticket_id, cited)
    select m.tenant_id, ${messageId}, m.ticket_id, false from messages m where m.id = ${before.message_id}
    on conflict (tenant_id, message_id) do nothing`.execute(tx);
}

async function replaceAttachments(
  tx: Tx,
  tenantId: TenantId,
  before: ParsedBefore,
  mail: ParsedMail,
  contents: NewContents,
): Promise<void> {
  const fresh = contents.filter((one) => Buffer.isBuffer(one)).map((bytes) => ({ bytes }));
  const blobs = (await insertBlobs(tx, tenantId, fresh)).values();
  const stored = contents.map((one) => (Buffer.isBuffer(one) ? blobs.next().value! : one));
  const held = await tx
    .selectFrom('attachments')
    .select(['id', 'position'])
    .where('message_id', '=', before.message_id)
    .execute();
  const ids = new Map(held.map((row) => [row.position, row.id]));
  for (const [position, attachment] of mail.attachments.entries()) {
    const row = {
      filename: attachment.filename,
      content_type: attachment.contentType,
      size: attachment.size,
      sha256: stored[position]?.sha256 ?? Buffer.from(attachment.sha256, 'hex'),
      inline: attachment.inline,
      content_id: attachment.contentId,
    };
    const id = ids.get(position);
    if (id !== undefined)
      await tx.updateTable('attachments').set(row).where('id', '=', id).execute();
    else
      await tx
        .insertInto('attachments')
        .values({
          id: newId('attachment'),
          tenant_id: tenantId,
          message_id: before.message_id,
          position,
          ...row,
        })
        .execute();
  }
  await tx
    .deleteFrom('attachments')
    .where('message_id', '=', before.message_id)
    .where('position', '>=', mail.attachments.length)
    .execute();
}
