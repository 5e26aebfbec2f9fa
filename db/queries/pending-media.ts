import { sql } from 'kysely';
import type { MediaReference } from '../../domain/chat.ts';
import { missingFile, type MissingFile } from '../../domain/chat-source.ts';
import { newId, type ChannelId, type TenantId } from '../../domain/ids.ts';
import { uniqueNames } from '../../domain/mail/filenames.ts';
import type { ParsedAttachment } from '../../domain/mail/parse.ts';
import type { NormalizedMessage } from '../../domain/message.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { insertBlobs, type StoredBlob } from './blobs.ts';
import { writeEvents } from './events.ts';
import type { MissingMedia } from './ingest-item.ts';
import { insertRows } from './insert-rows.ts';
import { MESSAGE_COLUMNS, presentMessages } from './messages.ts';
import type { Pending } from './outbox.ts';
import { recordTicketEvents } from './ticket-changes.ts';
import { lockTickets } from './tickets.ts';

/** Whoever claims a file has it to himself for so long. */
const CLAIM = '5 minutes';

/** Remembers files that could not be fetched with their message; what is given up is kept as that. */
export async function insertPendingMedia(
  tx: Tx,
  { tenantId, id }: { readonly tenantId: TenantId; readonly id: ChannelId },
  missing: readonly (MissingMedia & { readonly messageId: string })[],
): Promise<void> {
  await insertRows(
    tx,
    'pending_media',
    missing.map(({ messageId, position, reference, attempts, error, nextAt }) => ({
      tenant_id: tenantId,
      channel_id: id,
      message_id: messageId,
      position,
      reference,
      attempts,
      next_at: nextAt ?? new Date(),
      error,
      given_up: nextAt === null,
    })),
  );
}

/** What a chat's channel has still to do: when its next file is due, and since when a source waits for what it speaks of. */
export async function chatWork(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
): Promise<{ readonly nextFileAt: Date | null; readonly stagedSince: Date | null }> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await sql<{ nextFileAt: Date | null; stagedSince: Date | null }>`
      select (select min(next_at) from pending_media where channel_id = ${channelId} and not given_up) as "nextFileAt",
             (select min(staged_at) from sources where channel_id = ${channelId} and status = 'staged') as "stagedSince"`.execute(
      tx,
    );
    return rows[0]!;
  });
}

export interface ClaimedMedia {
  readonly message_id: string;
  readonly position: number;
  readonly reference: MediaReference;
  /** This one counted. */
  readonly attempts: number;
}

/** Files that are due, for one attempt; another worker passes them over meanwhile. */
export async function claimMedia(
  db: Db,
  tenantId: TenantId,
  channelId: ChannelId,
  most: number,
): Promise<ClaimedMedia[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await sql<ClaimedMedia>`
      update pending_media p set attempts = p.attempts + 1, next_at = now() + ${CLAIM}::interval
        from (select message_id, position from pending_media
               where channel_id = ${channelId} and not given_up and next_at <= now()
               order by next_at limit ${most} for update skip locked) due
       where p.message_id = due.message_id and p.position = due.position
      returning p.message_id, p.position, p.reference, p.attempts`.execute(tx);
    return rows;
  });
}

/** Files that did not come for this reason, those given up too, are due anew: it is mended. */
export async function releaseMissingMedia(
  tx: Tx,
  channelId: ChannelId,
  code: string,
): Promise<void> {
  await tx
    .updateTable('pending_media')
    .set({ next_at: sql<Date>`now()`, given_up: false, attempts: 0 })
    .where('channel_id', '=', channelId)
    .where(sql<boolean>`error->>'code' = ${code}`)
    .execute();
}

/** Puts a file that came later to its message; the event says so. */
export async function storeFile(
  db: Db,
  pending: Pending,
  { message_id: messageId, position }: ClaimedMedia,
  file: ParsedAttachment,
  content: Buffer | StoredBlob,
  note: string | null,
): Promise<void> {
  const { tenantId } = pending;
  await changeFiles(db, pending, messageId, true, async (tx, body) => {
    const { numDeletedRows } = await tx
      .deleteFrom('pending_media')
      .where('message_id', '=', messageId)
      .where('position', '=', position)
      .executeTakeFirst();
    if (numDeletedRows === 0n) return null;
    const blob = Buffer.isBuffer(content)
      ? (await insertBlobs(tx, tenantId, [{ bytes: content }]))[0]!
      : content;
    const unique = uniqueNames();
    for (const { filename } of body.attachments) unique(filename);
    const filename = unique(file.filename);
    await tx
      .insertInto('attachments')
      .values({
        id: newId('attachment'),
        tenant_id: tenantId,
        message_id: messageId,
        position,
        filename,
        content_type: file.contentType,
        size: blob.size,
        sha256: blob.sha256,
        inline: file.inline,
      })
      .execute();
    const attachments = await storedFiles(tx, messageId);
    const missing = missingOf(body).filter((one) => one.position !== position);
    const notes = note === null ? [] : [`${filename}: ${note}`];
    return withFiles({ ...body, attachments }, missing, notes);
  });
}

/** Notes why a file did not come; where that is for good, the event says so. */
export async function noteMissing(
  db: Db,
  pending: Pending,
  { message_id: messageId, position }: ClaimedMedia,
  missing: MissingMedia,
): Promise<void> {
  await changeFiles(db, pending, messageId, missing.nextAt === null, async (tx, body) => {
    const { numUpdatedRows } = await tx
      .updateTable('pending_media')
      .set({
        error: JSON.stringify(missing.error),
        given_up: missing.nextAt === null,
        ...(missing.nextAt ? { next_at: missing.nextAt } : {}),
      })
      .where('message_id', '=', messageId)
      .where('position', '=', position)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return null;
    const others = missingOf(body).filter((one) => one.position !== position);
    const all = [...others, missingFile(missing)].toSorted((a, b) => a.position - b.position);
    return withFiles(body, all, []);
  });
}

type Body = NormalizedMessage;

/** Changes a message's body under its ticket's lock. */
async function changeFiles(
  db: Db,
  pending: Pending,
  messageId: string,
  isNews: boolean,
  change: (tx: Tx, body: Body) => Promise<Body | null>,
): Promise<void> {
  await inTenant(db, pending.tenantId, async (tx) => {
    const found = await tx
      .selectFrom('messages')
      .select('ticket_id')
      .where('id', '=', messageId)
      .executeTakeFirst();
    if (!found) return;
    const ticketId = found.ticket_id;
    const ticket = ticketId === null ? null : (await lockTickets(tx, [ticketId])).get(ticketId)!;
    const held = await tx
      .selectFrom('messages')
      .select('body')
      .where('id', '=', messageId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const body = await change(tx, held.body as unknown as Body); // what ingestion wrote
    if (body === null) return;
    const row = await tx
      .updateTable('messages')
      .set({ body: JSON.stringify(body) })
      .where('id', '=', messageId)
      .returning(MESSAGE_COLUMNS)
      .executeTakeFirstOrThrow();
    if (!isNews) return;
    const [message] = await presentMessages(tx, [row]);
    const event = { type: 'message.updated' as const, data: { message } };
    if (ticket) await recordTicketEvents(tx, pending, [{ ticket, events: [event] }]);
    else await writeEvents(tx, pending, [{ ...event, ticketId: null, sequence: null }]);
  });
}

async function storedFiles(tx: Tx, messageId: string): Promise<Body['attachments']> {
  const rows = await tx
    .selectFrom('attachments')
    .select(['filename', 'content_type', 'size', 'sha256', 'inline', 'content_id'])
    .where('message_id', '=', messageId)
    .orderBy('position')
    .orderBy('id')
    .execute();
  return rows.map(({ sha256, filename, ...row }) => ({
    ...row,
    filename: filename ?? 'attachment',
    sha256: sha256.toString('hex'),
  }));
}

function missingOf({ metadata }: Body): MissingFile[] {
  return (metadata.platform_specific['missing_files'] ?? []) as MissingFile[]; // chatAsParsed wrote them
}

function withFiles(body: Body, missing: readonly MissingFile[], notes: readonly string[]): Body {
  const {
    missing_files: _before,
    file_notes: said = [],
    ...specific
  } = body.metadata.platform_specific as { file_notes?: string[] } & Record<string, unknown>; // as chatAsParsed wrote it
  const all = [...said, ...notes];
  return {
    ...body,
    metadata: {
      ...body.metadata,
      platform_specific: {
        ...specific,
        ...(all.length > 0 ? { file_notes: all } : {}),
        ...(missing.length > 0 ? { missing_files: [...missing] } : {}),
      },
    },
  };
}
