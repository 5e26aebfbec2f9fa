import { z } from 'zod';
import { ConversationState } from './conversation-state.ts';

export const TicketStatus = z
  .enum(['open', 'pending', 'on_hold', 'resolved', 'closed', 'spam'])
  .meta({ id: 'TicketStatus' });
export type TicketStatus = z.infer<typeof TicketStatus>;

export const TicketPriority = z
  .enum(['low', 'normal', 'high', 'urgent'])
  .meta({ id: 'TicketPriority' });
export type TicketPriority = z.infer<typeof TicketPriority>;

const Time = z.iso.datetime({ offset: true });

export const SlaMetricState = z
  .object({ due_at: Time.nullable(), met_at: Time.nullable(), breached: z.boolean() })
  .meta({ id: 'SlaMetricState' });

export const TicketSla = z
  .object({
    policy_id: z.string(),
    first_response: SlaMetricState.nullable(),
    next_response: SlaMetricState.nullable(),
    resolution: SlaMetricState.nullable(),
    paused_since: Time.nullable(),
    escalation_level: z.int(),
  })
  .meta({ id: 'TicketSla' });
export type TicketSla = z.infer<typeof TicketSla>;

export const Contact = z
  .object({
    id: z.string(),
    name: z.string().nullable(),
    addresses: z.array(z.string()).meta({
      description: 'Mail in lower case, numbers in E.164, and the ids that chats know them by.',
      examples: [['ada@example.com', '+4915112345678']],
    }),
    undeliverable: z.array(z.string()),
    time_zone: z
      .string()
      .nullable()
      .meta({ description: 'IANA name; null where it is not known.', examples: ['Europe/Berlin'] }),
    created_at: Time,
  })
  .meta({ id: 'Contact' });
export type Contact = z.infer<typeof Contact>;

export const Ticket = z
  .object({
    id: z.string(),
    number: z.int(),
    subject: z.string(),
    status: TicketStatus,
    priority: TicketPriority,
    channel: z.string(),
    account_id: z.string(),
    requester: Contact,
    participants: z.array(Contact),
    assignee_id: z.string().nullable(),
    team_id: z.string().nullable(),
    tags: z.array(z.string()),
    custom_fields: z.record(z.string(), z.unknown()),
    sla: TicketSla.nullable(),
    muted: z
      .boolean()
      .describe(
        'A machine seems to answer on it: what comes in reopens nothing and moves no clock until an agent answers.',
      ),
    message_count: z.int(),
    created_at: Time,
    updated_at: Time,
    resolved_at: Time.nullable(),
    closed_at: Time.nullable(),
    follow_up_of: z.string().nullable(),
    version: z.int(),
    workflow_url: z.string().nullable(),
    conversation: ConversationState.nullable().optional().meta({
      description:
        'By itself and in GET /v1/tickets: where the customer wrote last by a chat, what may be said there now.',
    }),
  })
  .meta({ id: 'Ticket' });
export type Ticket = z.infer<typeof Ticket>;
