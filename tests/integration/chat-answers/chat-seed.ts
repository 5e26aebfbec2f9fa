import { inTenant, type Db } from '../../../db/connection.ts';
import { storeTemplates } from '../../../db/queries/message-templates.ts';
import { loadTicketRules } from '../../../db/queries/ticket-rules.ts';
import { createTickets } from '../../../db/queries/tickets.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import {
  newId,
  type ChannelId,
  type ContactId,
  type MessageId,
  type TenantId,
  type TicketId,
} from '../../../domain/ids.ts';
import { messageTemplate, place } from '../../../domain/message-template.fixture.ts';
import type { MessageTemplate } from '../../../domain/message-template.ts';
import type { ProviderFailure } from '../../../domain/failure.ts';
import type { ChannelProvider, OutgoingMessage } from '../../../providers/contract.ts';
import { manifest } from '../../../providers/smtp/manifest.ts';

export const HOUR = 3_600_000;
export const CUSTOMER = '+4915112345678';

/** A chat's outside that takes what it is given, and names it. */
export class ChatOutside {
  readonly delivered: OutgoingMessage[] = [];
  readonly faults: ProviderFailure[] = [];
  receipts = true;
  /** Runs after the transmission, before its receipt is written. */
  meanwhile: (providerMessageId: string) => Promise<unknown> = () => Promise.resolve();
  #sent = 0;

  provider(tags?: Record<string, number>, hasTemplates = true): ChannelProvider {
    return {
      manifest,
      chat: {
        windowMs: () => 24 * HOUR,
        limits: { text: 100, attachments: 1, interactive: ['buttons'] },
        receipts: this.receipts,
        tags,
        fetchMedia: () => Promise.reject(new Error('nothing comes in here')),
        ...(hasTemplates && { templates: () => TEMPLATES.values() }),
      },
      sender: {
        send: async (
          _call: unknown,
          message: OutgoingMessage,
          transmitting: () => Promise<void>,
        ) => {
          await transmitting();
          const fault = this.faults.shift();
          if (fault) throw fault;
          this.delivered.push(message);
          this.#sent += 1;
          const providerMessageId = `wamid.${message.id}.${this.#sent}`;
          await this.meanwhile(providerMessageId);
          return { providerMessageId };
        },
      },
    } as unknown as ChannelProvider; // only what answering asks of a provider
  }
}

export const TEMPLATES: readonly MessageTemplate[] = [
  template(
    { name: 'order_update', language: 'en_US', body: 'Hello {{1}}, order {{2}} is ready.' },
    ['1', '2'],
  ),
  template({ name: 'greeting', language: 'en_US', body: 'Hello.' }, []),
  template({ name: 'greeting', language: 'de', body: 'Hallo.' }, []),
  template({ name: 'offer', status: 'rejected', reason: 'INVALID_FORMAT' }, []),
  {
    ...template({ name: 'parcel', body: 'Here is your parcel.' }, []),
    parameters: [place('header', '1', { kind: 'image' })],
  },
];

function template(some: Partial<MessageTemplate>, places: readonly string[]): MessageTemplate {
  const parameters = places.map((key) => place('body', key));
  return messageTemplate({ name: 'order_update', body: 'Hello.', parameters, ...some });
}

export interface ChatSeed {
  readonly tenantId: TenantId;
  readonly channelId: ChannelId;
  readonly contactId: ContactId;
}

/** A tenant with a chat channel, its templates, and a customer. */
export async function seedChat(db: Db, name: string, settings: object = {}): Promise<ChatSeed> {
  const tenantId = await ensureTenant(db, name);
  const [channelId, contactId] = [newId('channel'), newId('contact')];
  await inTenant(db, tenantId, async (tx) => {
    await tx
      .insertInto('channels')
      .values({
        id: channelId,
        tenant_id: tenantId,
        provider: 'whatsapp',
        name: 'Shop',
        address: '+493012345',
        settings: JSON.stringify(settings),
        secrets: null,
        ingress_token_hash: null,
      })
      .execute();
    await tx
      .insertInto('contacts')
      .values({ id: contactId, tenant_id: tenantId, name: 'Ada' })
      .execute();
    await tx
      .insertInto('contact_addresses')
      .values({ tenant_id: tenantId, address: CUSTOMER, contact_id: contactId })
      .execute();
  });
  await storeTemplates(db, { tenantId, id: channelId }, TEMPLATES, new Date());
  return { tenantId, channelId, contactId };
}

/** A ticket with one chat message in it, as ingestion makes it; the window is open for a day. */
export async function openChat(
  db: Db,
  { tenantId, channelId, contactId }: ChatSeed,
  now = new Date(),
): Promise<{ ticketId: TicketId; messageId: MessageId }> {
  const [ticketId, messageId] = [newId('ticket'), newId('message')];
  await inTenant(db, tenantId, async (tx) => {
    await createTickets(
      tx,
      tenantId,
      await loadTicketRules(tx, tenantId),
      [
        {
          id: ticketId,
          subject: 'Where is my order?',
          channel: 'whatsapp',
          accountId: channelId,
          requesterId: contactId,
          participants: [contactId],
          messages: 1,
        },
      ],
      { type: 'ingestion', id: channelId },
      now,
    );
    await tx
      .insertInto('messages')
      .values({
        id: messageId,
        tenant_id: tenantId,
        ticket_id: ticketId,
        channel_id: channelId,
        direction: 'inbound',
        status: 'received',
        source_id: null,
        provider_message_id: `wamid.in.${messageId}`,
        message_id: `wamid.in.${messageId}`,
        content_hash: null,
        author_id: null,
        send_phase: null,
        parser_version: null,
        body: JSON.stringify(inbound(now)),
        timestamp: now,
      })
      .execute();
    await tx
      .insertInto('conversations')
      .values({
        tenant_id: tenantId,
        channel_id: channelId,
        address: CUSTOMER,
        contact_id: contactId,
        ticket_id: ticketId,
        last_inbound_id: messageId,
        last_inbound_at: now,
        window_ends_at: new Date(now.getTime() + 24 * HOUR),
      })
      .onConflict((oc) =>
        oc.columns(['channel_id', 'address']).doUpdateSet({
          ticket_id: ticketId,
          last_inbound_id: messageId,
          last_inbound_at: now,
          window_ends_at: new Date(now.getTime() + 24 * HOUR),
          opted_out_at: null,
        }),
      )
      .execute();
  });
  return { ticketId, messageId };
}

function inbound(now: Date): object {
  return {
    channel: 'whatsapp',
    direction: 'inbound',
    kind: 'message',
    status: 'received',
    priority: 'normal',
    from: CUSTOMER,
    sender: { name: 'Ada', address: CUSTOMER },
    reply_to: [],
    to: [{ name: '', address: '+493012345' }],
    cc: [],
    bcc: [],
    subject: null,
    content: 'Where is my order?',
    new_content: 'Where is my order?',
    quoted_content: null,
    html: null,
    timestamp: now.toISOString(),
    received_at: now.toISOString(),
    message_id: null,
    in_reply_to: [],
    references: [],
    metadata: { service_specific_data: {}, platform_specific: { message_type: 'text' } },
  };
}
