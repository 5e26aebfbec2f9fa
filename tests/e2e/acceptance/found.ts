import { createHash } from 'node:crypto';
import { inTenant } from '../../../db/connection.ts';
import { readBlob } from '../../../db/queries/blobs.ts';
import type { NormalizedMessage } from '../../../domain/message.ts';
import type { AttachmentTruth } from '../../generator/mails.ts';
import type { Installation } from '../../harness/installation.ts';

export interface FoundMessage {
  readonly id: string;
  readonly ticketId: string | null;
  readonly messageId: string | null;
  readonly body: NormalizedMessage;
  /** Their hashes are of the bytes as they are stored, read again. */
  readonly attachments: readonly AttachmentTruth[];
}

export interface FoundSource {
  /** Hex SHA-256 of the bytes as stored. */
  readonly sha256: string;
  readonly status: string;
  /** The message it became, or whose copy it is. */
  readonly message: FoundMessage;
}

/** Every receipt of the tenant with the message that came of it. */
export async function foundSources({
  deps,
  tenantId,
}: Pick<Installation, 'deps' | 'tenantId'>): Promise<FoundSource[]> {
  const { sources, messages, attachments } = await inTenant(deps.db, tenantId, async (tx) => ({
    sources: await tx.selectFrom('sources').select(['sha256', 'status', 'message_id']).execute(),
    messages: await tx
      .selectFrom('messages')
      .select(['id', 'ticket_id', 'message_id', 'body'])
      .where('direction', '=', 'inbound')
      .execute(),
    attachments: await tx
      .selectFrom('attachments')
      .select(['message_id', 'filename', 'sha256', 'size', 'inline'])
      .execute(),
  }));
  const files = new Map<string, AttachmentTruth[]>();
  for (const { message_id, filename, sha256, size, inline } of attachments) {
    const hash = createHash('sha256');
    for await (const chunk of readBlob(deps.db, tenantId, sha256)) hash.update(chunk);
    const file = { filename: filename ?? '', sha256: hash.digest('hex'), size, inline };
    files.set(message_id!, [...(files.get(message_id!) ?? []), file]);
  }
  const byId = new Map(
    messages.map(({ id, ticket_id, message_id, body }): [string, FoundMessage] => [
      id,
      {
        id,
        ticketId: ticket_id,
        messageId: message_id,
        body: body as unknown as NormalizedMessage, // as ingestion stored it
        attachments: files.get(id) ?? [],
      },
    ]),
  );
  return sources.map(({ sha256, status, message_id }) => ({
    sha256: sha256.toString('hex'),
    status,
    message: byId.get(message_id ?? '')!,
  }));
}
