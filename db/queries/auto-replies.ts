import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { newId, type TenantId, type TicketId } from '../../domain/ids.ts';
import { mintMessageId } from '../../domain/mail/message-id.ts';
import { replySubject } from '../../domain/mail/subject.ts';
import type { MailAddress } from '../../domain/message.ts';
import { autoreplyTexts } from '../../domain/rules/autoresponder.ts';
import type { Autoresponder } from '../../domain/rules/schema.ts';
import { writtenMessage } from '../../domain/reply.ts';
import type { Tx } from '../connection.ts';
import type { IngestingChannel, Item } from './ingest-item.ts';
import { insertRows } from './insert-rows.ts';
import { addressKey } from './known-contacts.ts';
import type { TicketRow } from './tickets.ts';

/** How long an automatic answer is tried: later it would only puzzle. */
const ANSWER_FOR_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;

export interface Answerable {
  readonly item: Item;
  readonly ticket: TicketRow;
  readonly to: MailAddress;
}

/**
 * Queues automatic answers to those who began a ticket and were not answered within the span, in the transaction that
 * stores their mail; a row per recipient keeps it to one. Returns the tickets that have one to send.
 * @param key of the keyed hash in our Message-IDs, so that an answer to it finds the ticket
 */
export async function queueAutoReplies(
  tx: Tx,
  channel: IngestingChannel,
  autoresponder: Autoresponder,
  key: Buffer,
  answerable: readonly Answerable[],
  now: Date,
): Promise<Set<string>> {
  const { address } = channel;
  if (!address || answerable.length === 0) return new Set();
  const byRecipient = new Map(
    answerable.toReversed().map((one) => [recipientHash(one.to.address), one]),
  );
  const due = await claimRecipients(tx, channel, autoresponder, [...byRecipient.keys()], now);
  const written = due.map((recipient) =>
    write({ ...channel, address }, autoresponder, key, byRecipient.get(recipient)!, now),
  );
  await insertRows(
    tx,
    'messages',
    written.map(({ row }) => row),
  );
  await insertRows(
    tx,
    'thread_ids',
    written.map(({ row }) => ({
      tenant_id: channel.tenantId,
      message_id: row.message_id,
      ticket_id: row.ticket_id,
      cited: false,
    })),
    sql`on conflict (tenant_id, message_id) do nothing`,
  );
  return new Set(written.map(({ row }) => row.ticket_id));
}

interface ChannelPlace {
  readonly tenantId: TenantId;
  readonly id: string;
}

/** Whether this one may be answered now; it may not be again within the autoresponder's span. */
export async function claimRecipient(
  tx: Tx,
  channel: ChannelPlace,
  autoresponder: Pick<Autoresponder, 'hours'>,
  address: string,
  now: Date,
): Promise<boolean> {
  const due = await claimRecipients(tx, channel, autoresponder, [recipientHash(address)], now);
  return due.length > 0;
}

/** Of these recipients, those who may be answered now. */
async function claimRecipients(
  tx: Tx,
  { tenantId, id }: ChannelPlace,
  { hours }: Pick<Autoresponder, 'hours'>,
  recipients: readonly string[],
  now: Date,
): Promise<string[]> {
  const until = new Date(now.getTime() + hours * HOUR_MS);
  const { rows } = await sql<{ recipient: string }>`
    with wanted as (
      select decode(value, 'hex') as recipient from jsonb_array_elements_text(${JSON.stringify(recipients)}::jsonb)
    ), forgotten as (
      delete from auto_replies a where a.tenant_id = ${tenantId} and a.until < ${now}
         and not (a.channel_id = ${id} and a.recipient in (select recipient from wanted))
    )
    insert into auto_replies (tenant_id, channel_id, recipient, until)
    select ${tenantId}, ${id}, recipient, ${until} from wanted
    on conflict (channel_id, recipient) do update set until = excluded.until
      where auto_replies.until <= ${now}
    returning encode(recipient, 'hex') as recipient`.execute(tx);
  return rows.map((row) => row.recipient);
}

function write(
  channel: IngestingChannel & { readonly address: string },
  autoresponder: Autoresponder,
  key: Buffer,
  { item, ticket, to }: Answerable,
  now: Date,
) {
  const { tenantId, address } = channel;
  const { message } = item.mail;
  const id = newId('message', now.getTime());
  const domain = address.slice(address.lastIndexOf('@') + 1);
  const ticketId = ticket.id as TicketId;
  const messageId = mintMessageId({ tenantId, ticketId, messageId: id, key, domain });
  const words = autoreplyTexts(autoresponder, {
    'ticket.number': String(ticket.number),
    'ticket.subject': ticket.subject,
    'sender.name': to.name || to.address,
    'sender.address': to.address,
    'channel.name': channel.name,
  });
  const body = writtenMessage({
    provider: channel.provider,
    direction: 'outbound',
    kind: 'auto_reply',
    status: 'queued',
    sender: { name: channel.name, address },
    to: [to],
    cc: [],
    subject: words.subject ?? replySubject(message.subject),
    text: words.text,
    html: words.html,
    messageId,
    answered: message,
    now,
  });
  return {
    row: {
      id,
      tenant_id: tenantId,
      ticket_id: ticketId,
      channel_id: channel.id,
      direction: body.direction,
      kind: body.kind,
      status: body.status,
      message_id: messageId,
      body,
      timestamp: now,
      received_at: now,
      send_by: new Date(now.getTime() + ANSWER_FOR_MS),
    },
  };
}

function recipientHash(address: string): string {
  return createHash('sha256').update(addressKey(address)).digest('hex').slice(0, 32);
}
