import type { Generated, JSONColumnType } from 'kysely';
import type { GeneratedTime, JsonObject, MaybeJson, MaybeTime, Time } from './columns.ts';

/** What others are told of: events, webhooks, and Temporal by the outbox. */
export interface EventTables {
  events: {
    id: string;
    tenant_id: string;
    type: string;
    ticket_id: string | null;
    sequence: number | null;
    data: JSONColumnType<JsonObject>;
    timestamp: GeneratedTime;
    xid: Generated<string>;
    position: Generated<number>;
  };
  webhook_endpoints: {
    id: string;
    tenant_id: string;
    url: string;
    events: string[];
    secret: Buffer;
    description: Generated<string>;
    headers: Buffer | null;
    timeout_seconds: Generated<number>;
    max_retries: Generated<number>;
    verify_ssl: Generated<boolean>;
    is_active: Generated<boolean>;
    delivery_mode: Generated<'auto' | 'workflow' | 'stream'>;
    gear: Generated<'workflow' | 'stream'>;
    paused_until: MaybeTime;
    failures_in_row: Generated<number>;
    created_at: GeneratedTime;
    deleted_at: MaybeTime;
  };
  deliveries: {
    id: string;
    tenant_id: string;
    event_id: string;
    endpoint_id: string;
    type: string;
    status: Generated<'pending' | 'delivered' | 'failed'>;
    budget: number;
    attempt_count: Generated<number>;
    run: Generated<number>;
    next_attempt_at: MaybeTime;
    started: Generated<boolean>;
    streamed: Generated<boolean>;
    leased_until: GeneratedTime;
    created_at: GeneratedTime;
    finished_at: MaybeTime;
    traceparent: Generated<string | null>;
  };
  delivery_attempts: {
    tenant_id: string;
    delivery_id: string;
    run: number;
    number: number;
    at: Time;
    status_code: number | null;
    duration_ms: number;
    error: string | null;
    response_start: string | null;
  };
  outbox: {
    tenant_id: string;
    kind: OutboxKind;
    ref: string;
    detail: MaybeJson<JsonObject>;
    version: Generated<number>;
    leased_until: Time;
    attempts: Generated<number>;
    created_at: GeneratedTime;
  };
}

export type OutboxKind = 'channel' | 'ticket_start' | 'ticket_wake';
