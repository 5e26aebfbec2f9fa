import type { Selectable } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { Message, MessageAttachment } from '../../domain/message.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';
import { withRouting, type Routing } from './routing.ts';

export const MESSAGE_COLUMNS = [
  'id',
  'tenant_id',
  'ticket_id',
  'channel_id',
  'source_id',
  'direction',
  'kind',
  'status',
  'provider_message_id',
  'message_id',
  'author_id',
  'body',
  'timestamp',
  'received_at',
  'routing',
  'error',
  'reactions',
] as const;

/** What a person put on a message; an empty emoji where it was taken back. */
export interface Reaction {
  readonly address: string;
  readonly emoji: string;
  readonly at: string;
}

/** A message as Postgres holds it; what sending needs is in outgoing.ts. */
export type MessageRow = Pick<Selectable<Database['messages']>, (typeof MESSAGE_COLUMNS)[number]>;

/** Messages as the API and the events show them, in the order given. */
export async function presentMessages(tx: Tx, rows: readonly MessageRow[]): Promise<Message[]> {
  if (rows.length === 0) return [];
  const attachments = await attachmentsOf(
    tx,
    rows.map((row) => row.id),
  );
  const channels = await tx
    .selectFrom('channels')
    .select(['id', 'name'])
    .where('id', 'in', [...new Set(rows.map((row) => row.channel_id))])
    .execute();
  const names = new Map(channels.map(({ id, name }) => [id, name]));
  return rows.map((row) =>
    presentMessage(row, names.get(row.channel_id) ?? '', attachments.get(row.id) ?? []),
  );
}

function presentMessage(
  row: MessageRow,
  accountName: string,
  attachments: MessageAttachment[],
): Message {
  // What the parser or the reply wrote; the columns beside it are what may have changed since.
  const body = row.body as unknown as Message;
  return {
    ...body,
    id: row.id,
    source_id: row.source_id,
    ticket_id: row.ticket_id,
    provider_message_id: row.provider_message_id,
    account_id: row.channel_id,
    account_name: accountName,
    thread_id: body.thread_id ?? row.ticket_id,
    direction: row.direction,
    kind: row.kind as Message['kind'],
    status: row.status as Message['status'],
    message_id: row.message_id,
    timestamp: row.timestamp.toISOString(),
    received_at: row.received_at.toISOString(),
    attachments,
    ...(row.error === null ? {} : { error: row.error as Message['error'] }), // endSending and statuses write it
    ...withRouting(
      { ...body, metadata: { ...withReactions(body.metadata, row), config_id: row.channel_id } },
      row.routing as Routing | null, // routingOf wrote it
    ),
  };
}

function withReactions(
  metadata: Message['metadata'],
  { reactions }: Pick<MessageRow, 'reactions'>,
): Message['metadata'] {
  const shown = reactions?.filter(({ emoji }) => emoji !== '') ?? [];
  if (shown.length === 0) return metadata;
  return {
    ...metadata,
    platform_specific: { ...metadata.platform_specific, reactions: shown },
  };
}

async function attachmentsOf(
  tx: Tx,
  messageIds: readonly string[],
): Promise<Map<string, MessageAttachment[]>> {
  const rows = await tx
    .selectFrom('attachments')
    .select([
      ...(['id', 'message_id', 'filename', 'content_type', 'size', 'sha256'] as const),
      ...(['inline', 'content_id'] as const),
    ])
    .where('message_id', 'in', [...messageIds])
    .orderBy('message_id')
    .orderBy('position')
    .orderBy('id')
    .execute();
  return new Map(
    [...Map.groupBy(rows, (row) => row.message_id!)].map(([messageId, group]) => [
      messageId,
      group.map((row) => ({
        id: row.id,
        filename: row.filename ?? 'attachment',
        content_type: row.content_type,
        size: row.size,
        sha256: row.sha256.toString('hex'),
        inline: row.inline,
        content_id: row.content_id,
      })),
    ]),
  );
}

/** These messages, locked one after the other in the same order for all. */
export async function lockMessages(
  tx: Tx,
  ids: readonly string[],
): Promise<Map<string, MessageRow>> {
  if (ids.length === 0) return new Map();
  const rows = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('id', 'in', [...ids])
    .orderBy('id')
    .forUpdate()
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

export async function findMessage(tx: Tx, id: string): Promise<MessageRow | null> {
  const row = await tx
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** The API's form of one message, or null. */
export async function showMessage(db: Db, tenantId: TenantId, id: string): Promise<Message | null> {
  return inTenant(db, tenantId, async (tx) => {
    const row = await findMessage(tx, id);
    return row && (await presentMessages(tx, [row]))[0]!;
  });
}

/** Where the raw bytes of an inbound message are; null where it was written here. */
export async function findSourceBlob(
  db: Db,
  tenantId: TenantId,
  messageId: string,
): Promise<{ sha256: Buffer; size: number; provider: string } | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('messages')
      .innerJoin('sources', 'sources.id', 'messages.source_id')
      .innerJoin('channels', 'channels.id', 'messages.channel_id')
      .select(['sources.sha256', 'sources.size', 'channels.provider'])
      .where('messages.id', '=', messageId)
      .executeTakeFirst(),
  );
  return row ?? null;
}
