import type { SMTPServerDataStream } from 'smtp-server';
import { BlobTooLarge, putBlob, readBlob, type StoredBlob } from '../../db/queries/blobs.ts';
import type { Pending } from '../../db/queries/outbox.ts';
import { stageSource } from '../../db/queries/sources.ts';
import type { SourceId, TenantId } from '../../domain/ids.ts';
import type { ApiDeps } from '../deps.ts';
import { DoorError, type DoorChannel, type Recipient } from './smtp-recipient.ts';

/** Up to this size a mail waits in memory and is stored in one transaction; a larger one is written as it comes. */
const IN_MEMORY_BYTES = 256 * 1024;

export interface StoredMail {
  readonly channel: DoorChannel;
  readonly sourceId: SourceId;
  readonly pending: Pending;
}

/**
 * Stores one mail for each of the channels it is addressed to; committed when it returns. What fails half-way is sent
 * again by the client, and ingestion knows the copies.
 * @throws DoorError 552 beyond `maxBytes`; the database's own errors
 */
export async function storeMail(
  { db }: ApiDeps,
  stream: SMTPServerDataStream,
  mail: { from: string | null; recipients: readonly Recipient[]; maxBytes: number },
): Promise<StoredMail[]> {
  const receivedAt = new Date();
  const channels = [...Map.groupBy(mail.recipients, ({ channel }) => channel.id).values()];
  const first = channels[0]![0]!.channel.tenantId;
  const source = await read(stream, mail.maxBytes, (chunks) =>
    putBlob(db, first, chunks, mail.maxBytes),
  );
  const stored: StoredMail[] = [];
  for (const recipients of channels) {
    const { channel } = recipients[0]!;
    const { sourceId, pending } = await stageSource(db, channel, {
      source: await ofTenant(channel.tenantId),
      providerMessageId: null,
      receivedAt,
      envelope: { from: mail.from, to: recipients.map(({ address }) => address) },
    });
    stored.push({ channel, sourceId, pending });
  }
  return stored;

  /** Bytes are stored once per tenant. */
  async function ofTenant(tenantId: TenantId): Promise<Buffer | StoredBlob> {
    if (Buffer.isBuffer(source) || tenantId === first) return source;
    return putBlob(db, tenantId, readBlob(db, first, source.sha256));
  }
}

async function read(
  stream: SMTPServerDataStream,
  maxBytes: number,
  store: (chunks: AsyncIterable<Buffer>) => Promise<StoredBlob>,
): Promise<Buffer | StoredBlob> {
  const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  try {
    const head = await readHead(chunks);
    const source = Buffer.isBuffer(head) ? head : await store(continued(head, chunks));
    if (stream.sizeExceeded) throw tooLarge(maxBytes);
    return source;
  } catch (error) {
    throw error instanceof BlobTooLarge ? tooLarge(maxBytes) : error;
  } finally {
    await chunks.return?.(); // lets go of the stream, so that its rest can be dropped
  }
}

/** The whole of a small mail, or the first chunks of a larger one. */
async function readHead(chunks: AsyncIterator<Buffer>): Promise<Buffer | Buffer[]> {
  const head: Buffer[] = [];
  let bytes = 0;
  while (bytes <= IN_MEMORY_BYTES) {
    const next = await chunks.next();
    if (next.done) return Buffer.concat(head);
    head.push(next.value);
    bytes += next.value.length;
  }
  return head;
}

async function* continued(
  head: readonly Buffer[],
  rest: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  yield* head;
  for (;;) {
    const next = await rest.next();
    if (next.done) return;
    yield next.value;
  }
}

function tooLarge(maxBytes: number): DoorError {
  return new DoorError(552, 'too_large', `5.3.4 The mail is larger than ${maxBytes} bytes`);
}
