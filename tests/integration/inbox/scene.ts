import { inTenant, type Db } from '../../../db/connection.ts';
import { loadTicketRules } from '../../../db/queries/ticket-rules.ts';
import { createTickets } from '../../../db/queries/tickets.ts';
import {
  newId,
  type ChannelId,
  type ContactId,
  type MessageId,
  type TenantId,
  type TicketId,
} from '../../../domain/ids.ts';

/** When everything here happens, in minutes from then. */
export const BEGIN = Date.parse('2026-03-01T09:00:00Z');
export const minute = (minutes: number) => new Date(BEGIN + minutes * 60_000);

export interface Said {
  readonly channelId: ChannelId;
  readonly provider: string;
  readonly ticketId: TicketId | null;
  /** The customer’s address. */
  readonly who: string;
  readonly at: Date;
  readonly direction?: 'inbound' | 'outbound' | 'internal';
  readonly status?: string;
  readonly cc?: readonly string[];
}

/** Rows as ingestion and answers leave them, for one tenant. */
export function scene(db: Db, tenantId: TenantId) {
  const inDb = <T>(work: Parameters<typeof inTenant<T>>[2]) => inTenant(db, tenantId, work);
  return {
    inDb,

    async channel(provider: string, name: string, more: object = {}): Promise<ChannelId> {
      const id = newId('channel');
      const values = { id, tenant_id: tenantId, provider, name, address: `${name}@shop.test` };
      await inDb((tx) =>
        tx
          .insertInto('channels')
          .values({ ...values, ...more })
          .execute(),
      );
      return id;
    },

    async contact(name: string | null, ...addresses: string[]): Promise<ContactId> {
      const id = newId('contact');
      await inDb(async (tx) => {
        await tx.insertInto('contacts').values({ id, tenant_id: tenantId, name }).execute();
        for (const address of addresses)
          await tx
            .insertInto('contact_addresses')
            .values({ tenant_id: tenantId, address, contact_id: id })
            .execute();
      });
      return id;
    },

    async ticket(
      channelId: ChannelId,
      provider: string,
      requesterId: ContactId,
      participants: readonly ContactId[] = [requesterId],
    ): Promise<TicketId> {
      const id = newId('ticket');
      await inDb(async (tx) => {
        const ticket = { id, subject: 'Order', channel: provider, accountId: channelId };
        await createTickets(
          tx,
          tenantId,
          await loadTicketRules(tx, tenantId),
          [{ ...ticket, requesterId, participants, messages: 1 }],
          { type: 'ingestion', id: channelId },
          minute(0),
        );
      });
      return id;
    },

    async talk(
      channelId: ChannelId,
      contactId: ContactId,
      address: string,
      more: {
        ticket_id?: string;
        window_ends_at?: Date;
        last_inbound_at?: Date;
        opted_out_at?: Date;
      } = {},
    ): Promise<void> {
      const place = { tenant_id: tenantId, channel_id: channelId, contact_id: contactId };
      await inDb((tx) =>
        tx
          .insertInto('conversations')
          .values({ ...place, address, ticket_id: null, last_inbound_id: null, ...more })
          .execute(),
      );
    },

    async said(message: Said): Promise<MessageId> {
      const { channelId, provider, ticketId, who, at, cc = [] } = message;
      const { direction = 'inbound', status = 'received' } = message;
      const id = newId('message');
      const us = { name: 'Shop', address: 'help@shop.test' };
      const them = { name: '', address: who };
      const [sender, to] = direction === 'inbound' ? [them, us] : [us, them];
      const body = {
        channel: provider,
        direction,
        kind: 'message',
        status,
        priority: 'normal',
        from: sender.address,
        sender,
        reply_to: [],
        to: [to],
        cc: cc.map((address) => ({ name: '', address })),
        bcc: [],
        subject: null,
        content: `${who} at ${at.toISOString()}`,
        new_content: '',
        quoted_content: null,
        html: null,
        timestamp: at.toISOString(),
        received_at: at.toISOString(),
        message_id: `${id}@shop.test`,
        in_reply_to: [],
        references: [],
        metadata: { service_specific_data: {}, platform_specific: {} },
      };
      await inDb((tx) =>
        tx
          .insertInto('messages')
          .values({
            id,
            tenant_id: tenantId,
            ticket_id: ticketId,
            channel_id: channelId,
            source_id: null,
            direction,
            status,
            provider_message_id: `vendor.${id}`,
            message_id: body.message_id,
            content_hash: null,
            author_id: null,
            send_phase: null,
            parser_version: null,
            body: JSON.stringify(body),
            timestamp: at,
            received_at: at,
          })
          .execute(),
      );
      return id;
    },
  };
}

export type Scene = ReturnType<typeof scene>;
