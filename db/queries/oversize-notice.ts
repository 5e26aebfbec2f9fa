import { newId, type TenantId, type TicketId } from '../../domain/ids.ts';
import { isDeliverable } from '../../domain/mail/addresses.ts';
import { mintMessageId } from '../../domain/mail/message-id.ts';
import { replySubject } from '../../domain/mail/subject.ts';
import type { NormalizedMessage } from '../../domain/message.ts';
import { writtenMessage } from '../../domain/reply.ts';
import type { Tx } from '../connection.ts';
import { insertWritten, rememberMessageId } from './outgoing.ts';
import { outgoingChannel } from './outgoing-channel.ts';

/** How long the notice is tried. */
const TELL_FOR_MS = 24 * 3_600_000;

export interface Oversize {
  readonly ticketId: TicketId;
  readonly message: NormalizedMessage;
  /** In bytes; null where unknown. */
  readonly size: number | null;
}

/** Size of a mail of which only the headers were fetched; undefined for any other. */
export function oversizeOf(message: NormalizedMessage): { size: number | null } | undefined {
  return message.metadata.platform_specific['oversize'] as { size: number | null } | undefined; // the parser's own form
}

/**
 * Queues a notice to the sender of a mail that was too large, by the channel it came to. Returns whether there is one to
 * send: the ticket's workflow must look then.
 * @param key of the keyed hash in our Message-IDs, so that an answer to the notice finds the ticket
 */
export async function tellOversize(
  tx: Tx,
  tenantId: TenantId,
  accountId: string,
  key: Buffer,
  { ticketId, message, size }: Oversize,
  now: Date,
): Promise<boolean> {
  const channel = await outgoingChannel(tx, tenantId, accountId);
  const { sender } = message;
  if (!channel?.address || channel.isStopped || !sender || !isDeliverable(sender.address))
    return false;
  const id = newId('message', now.getTime());
  const domain = channel.address.slice(channel.address.lastIndexOf('@') + 1);
  const messageId = mintMessageId({ tenantId, ticketId, messageId: id, key, domain });
  const body = writtenMessage({
    provider: channel.provider,
    direction: 'outbound',
    kind: 'notification',
    status: 'queued',
    sender: { name: channel.name, address: channel.address },
    to: [sender],
    cc: [],
    subject: replySubject(message.subject),
    text: textOf(message.subject, size),
    html: null,
    messageId,
    answered: message,
    now,
  });
  const sendBy = new Date(now.getTime() + TELL_FOR_MS);
  const written = { id, tenantId, ticketId, channelId: channel.id, authorId: null };
  await insertWritten(tx, { ...written, body, sendBy, now });
  await rememberMessageId(tx, tenantId, ticketId, messageId);
  return true;
}

function textOf(subject: string | null, size: number | null): string {
  const megabytes = size === null ? '' : ` (${Math.ceil(size / 1_000_000)} MB)`;
  return (
    `Your mail "${subject ?? ''}" is too large for us${megabytes}: its subject reached us, but not what it says.\n\n` +
    'Please send it again with smaller attachments, or with a link to them. You can answer this mail.\n'
  );
}
