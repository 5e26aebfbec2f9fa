import { newId, type MessageId } from '../../domain/ids.ts';
import { PARSER_VERSION } from '../../domain/mail/parse.ts';
import type { Message } from '../../domain/message.ts';
import type { Tx } from '../connection.ts';
import { insertBlobs } from './blobs.ts';
import type { IngestingChannel, Placed } from './ingest-item.ts';
import { asBytea, insertRows } from './insert-rows.ts';
import { routingOf, withRouting } from './routing.ts';

/** Stores the messages with their attachments; returns them as the API shows them. */
export async function storeMessages(
  tx: Tx,
  channel: IngestingChannel,
  placed: readonly Placed[],
): Promise<Map<MessageId, Message>> {
  const tenant_id = channel.tenantId;
  const attachments = await storeAttachments(tx, channel, placed);
  await insertRows(
    tx,
    'messages',
    placed.map(({ item, ticketId, effect, isGrouped = false }) => {
      const { message, threading, contentHash } = item.mail;
      return {
        id: item.messageId,
        tenant_id,
        ticket_id: ticketId,
        channel_id: channel.id,
        source_id: item.sourceId,
        direction: message.direction,
        kind: message.kind,
        status: message.status,
        parser_version: PARSER_VERSION,
        provider_message_id: item.providerMessageId,
        message_id: threading.messageId,
        content_hash: `\\x${contentHash}`,
        body: message,
        routing: routingOf(effect, item.verdict, isGrouped, item.chat?.beginsNothing),
        timestamp: message.timestamp,
        received_at: message.received_at,
      };
    }),
  );
  await insertRows(tx, 'attachments', attachments.rows);
  return new Map(
    placed.map((one) => [
      one.item.messageId,
      present(channel, one, attachments.ids.get(one.item.messageId) ?? []),
    ]),
  );
}

async function storeAttachments(tx: Tx, channel: IngestingChannel, placed: readonly Placed[]) {
  const all = placed.flatMap(({ item }) =>
    item.attachments.map((content, position) => ({ item, content, position })),
  );
  const inMemory = await insertBlobs(
    tx,
    channel.tenantId,
    all.flatMap(({ item, content, position }) => {
      if (!Buffer.isBuffer(content)) return [];
      return {
        bytes: content,
        sha256: Buffer.from(item.mail.attachments[position]!.sha256, 'hex'),
      };
    }),
  );
  const next = inMemory.values();
  const ids = new Map<MessageId, string[]>();
  const rows = all.map(({ item, content, position }) => {
    const blob = Buffer.isBuffer(content) ? next.next().value! : content;
    const known = item.mail.attachments[position]!;
    const id = newId('attachment');
    ids.set(item.messageId, [...(ids.get(item.messageId) ?? []), id]);
    return {
      id,
      tenant_id: channel.tenantId,
      message_id: item.messageId,
      position: item.chat?.positions[position] ?? position,
      filename: known.filename,
      content_type: known.contentType,
      size: blob.size,
      sha256: asBytea(blob.sha256),
      inline: known.inline,
      content_id: known.contentId,
    };
  });
  return { rows, ids };
}

function present(
  channel: IngestingChannel,
  { item, ticketId, effect, isGrouped = false }: Placed,
  attachmentIds: readonly string[],
): Message {
  const { message } = item.mail;
  const body = { ...message, metadata: { ...message.metadata, config_id: channel.id } };
  return {
    ...message,
    ...withRouting(body, routingOf(effect, item.verdict, isGrouped, item.chat?.beginsNothing)),
    id: item.messageId,
    source_id: item.sourceId,
    ticket_id: ticketId,
    provider_message_id: item.providerMessageId,
    account_id: channel.id,
    account_name: channel.name,
    thread_id: ticketId,
    attachments: message.attachments.map((attachment, place) => ({
      id: attachmentIds[place]!,
      ...attachment,
    })),
  };
}
