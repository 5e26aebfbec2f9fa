import { inTenant, type Db, type Tx } from '../../db/connection.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { loadTicketRules } from '../../db/queries/ticket-rules.ts';
import { createTickets, startOf } from '../../db/queries/tickets.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type ContactId, type TenantId, type TicketId } from '../../domain/ids.ts';
import type { ChannelProvider, OutgoingMessage } from '../../providers/contract.ts';
import { manifest } from '../../providers/smtp/manifest.ts';

export const ACTOR = { type: 'agent', id: 'agt_test' } as const;

/** A sender that keeps what it is given: what a mail server would have received. */
export function keepingSender(): { provider: ChannelProvider; sent: OutgoingMessage[] } {
  const sent: OutgoingMessage[] = [];
  const provider = {
    manifest,
    sender: {
      async send(_call: unknown, message: OutgoingMessage, transmitting: () => Promise<void>) {
        await transmitting();
        sent.push(message);
        return { providerMessageId: null };
      },
    },
  };
  return { provider: provider as unknown as ChannelProvider, sent };
}

export interface Seed {
  readonly tenantId: TenantId;
  readonly accountId: string;
  readonly requesterId: string;
}

/** A tenant with a mail channel and a customer. */
export async function seedTenant(db: Db, name = 'acme'): Promise<Seed> {
  const tenantId = await ensureTenant(db, name);
  const tenant_id = tenantId;
  const [accountId, requesterId] = [newId('channel'), newId('contact')];
  await inTenant(db, tenantId, async (tx) => {
    await tx
      .insertInto('channels')
      .values({
        id: accountId,
        tenant_id,
        provider: 'smtp',
        name: 'Support',
        address: 'help@acme.test',
        secrets: null,
        ingress_token_hash: null,
      })
      .execute();
    await tx.insertInto('contacts').values({ id: requesterId, tenant_id, name: 'Ada' }).execute();
    await tx
      .insertInto('contact_addresses')
      .values({ tenant_id, address: 'ada@example.com', contact_id: requesterId })
      .execute();
  });
  return { tenantId, accountId, requesterId };
}

/** A ticket with one mail in it, as ingestion makes it at `now`; its start is left in `pending`. */
export async function openTicket(
  db: Db,
  { tenantId, accountId, requesterId }: Seed,
  now: Date,
  pending = new Pending(tenantId),
): Promise<TicketId> {
  const id = newId('ticket', now.getTime());
  await inTenant(db, tenantId, async (tx) => {
    const rules = await loadTicketRules(tx, tenantId);
    const [row] = await createTickets(
      tx,
      tenantId,
      rules,
      [
        {
          id,
          subject: 'Printer on fire',
          channel: 'smtp',
          accountId,
          text: 'It burns.',
          requesterId: requesterId as ContactId,
          participants: [requesterId as ContactId],
          messages: 1,
        },
      ],
      { type: 'ingestion', id: accountId },
      now,
    );
    await insertMail(tx, { tenantId, accountId, ticketId: id, now });
    await pending.startTickets(tx, [startOf(row!)]);
  });
  return id;
}

/** The customer's mail, in the form that the parser gives it. */
export async function insertMail(
  tx: Tx,
  {
    tenantId,
    accountId,
    ticketId,
    now,
  }: { tenantId: string; accountId: string; ticketId: string; now: Date },
): Promise<void> {
  const id = newId('message');
  const message_id = `${id}@example.com`;
  const body = {
    channel: 'smtp',
    direction: 'inbound',
    kind: 'message',
    status: 'received',
    priority: 'normal',
    from: 'ada@example.com',
    reply_to: [],
    cc: [],
    bcc: [],
    sender: { name: 'Ada', address: 'ada@example.com' },
    to: [{ name: '', address: 'help@acme.test' }],
    subject: 'Printer on fire',
    content: 'It burns.',
    new_content: 'It burns.',
    quoted_content: null,
    html: null,
    message_id,
    in_reply_to: [],
    references: ['root@example.com'],
    metadata: { service_specific_data: {}, platform_specific: {} },
  };
  await tx
    .insertInto('messages')
    .values({
      id,
      tenant_id: tenantId,
      ticket_id: ticketId,
      channel_id: accountId,
      message_id,
      direction: 'inbound',
      status: 'received',
      source_id: null,
      provider_message_id: null,
      content_hash: null,
      author_id: null,
      send_phase: null,
      body: JSON.stringify(body),
      timestamp: now,
    })
    .execute();
}
