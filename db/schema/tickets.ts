import type { ColumnType, Generated } from 'kysely';
import type { Actor } from './actor.ts';
import type {
  GeneratedJson,
  GeneratedTime,
  Json,
  JsonObject,
  MaybeJson,
  MaybeTime,
} from './columns.ts';

/** Tickets, by which times they are measured, and what is done to them. */
export interface TicketTables {
  tickets: {
    id: string;
    tenant_id: string;
    number: number;
    subject: Generated<string>;
    status: Generated<'open' | 'pending' | 'on_hold' | 'resolved' | 'closed' | 'spam'>;
    priority: Generated<'low' | 'normal' | 'high' | 'urgent'>;
    channel: string;
    account_id: string;
    requester_id: string;
    assignee_id: string | null;
    team_id: string | null;
    tags: Generated<string[]>;
    custom_fields: GeneratedJson<JsonObject>;
    sla: MaybeJson;
    muted: Generated<boolean>;
    message_count: Generated<number>;
    sequence: Generated<number>;
    version: Generated<number>;
    follow_up_of: string | null;
    created_at: GeneratedTime;
    updated_at: GeneratedTime;
    resolved_at: MaybeTime;
    closed_at: MaybeTime;
    search: ColumnType<string, never, never>;
  };
  ticket_participants: { tenant_id: string; ticket_id: string; contact_id: string };
  calendars: {
    id: string;
    tenant_id: string;
    definition: Json;
    created_at: GeneratedTime;
    updated_at: GeneratedTime;
  };
  sla_policies: {
    id: string;
    tenant_id: string;
    position: Generated<number>;
    is_active: Generated<boolean>;
    definition: Json;
    created_at: GeneratedTime;
    updated_at: GeneratedTime;
  };
  commands: {
    id: string;
    tenant_id: string;
    ticket_id: string;
    kind: string;
    actor: Json<Actor>;
    idempotency_key: string | null;
    if_version: number | null;
    payload: Json<JsonObject>;
    result: MaybeJson<JsonObject>;
    created_at: GeneratedTime;
    applied_at: MaybeTime;
    traceparent: Generated<string | null>;
  };
  audit: {
    id: string;
    tenant_id: string;
    ticket_id: string | null;
    actor: Json<Actor>;
    action: string;
    reason: string | null;
    changes: GeneratedJson<Record<string, [unknown, unknown]>>;
    at: GeneratedTime;
  };
}
