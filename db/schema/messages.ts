import type { Generated, GeneratedAlways } from 'kysely';
import type { Actor } from './actor.ts';
import type { GeneratedTime, Json, JsonObject, MaybeJson, MaybeTime, Time } from './columns.ts';

/** What was said, with its files, and where it belongs. */
export interface MessageTables {
  messages: {
    id: string;
    tenant_id: string;
    ticket_id: string | null;
    channel_id: string;
    source_id: string | null;
    direction: 'inbound' | 'outbound' | 'internal';
    kind: Generated<string>;
    status: string;
    provider_message_id: string | null;
    message_id: string | null;
    content_hash: Buffer | null;
    author_id: string | null;
    body: Json<JsonObject>;
    timestamp: Time;
    received_at: GeneratedTime;
    send_phase: 'claimed' | 'transmitting' | 'done' | null;
    send_fence: Generated<number>;
    send_attempts: Generated<number>;
    send_by: MaybeTime;
    error: MaybeJson;
    traceparent: Generated<string | null>;
    /** Of the parser that made it; null for what was written here, and before versions were kept. */
    parser_version: number | null;
    /** What ingestion decided of it (db/queries/routing.ts). */
    routing: MaybeJson<JsonObject>;
    /** Marks of people on it: address, emoji ('' where it was taken back), time. */
    reactions: MaybeJson<{ address: string; emoji: string; at: string }[]>;
    /** When a report of the vendor's is missed; null where none is waited for. */
    receipt_due_at: MaybeTime;
    /** When its latest transmission to the vendor began. */
    transmitted_at: MaybeTime;
    /** Whose address it came from or went to first, in lower case; Postgres keeps it. */
    other_end: GeneratedAlways<string | null>;
  };
  thread_ids: {
    tenant_id: string;
    message_id: string;
    ticket_id: string;
    cited: Generated<boolean>;
  };
  attachments: {
    id: string;
    tenant_id: string;
    message_id: string | null;
    position: Generated<number>;
    filename: string | null;
    content_type: string;
    size: number;
    sha256: Buffer;
    inline: Generated<boolean>;
    content_id: string | null;
    created_at: GeneratedTime;
  };
  conversations: {
    tenant_id: string;
    channel_id: string;
    /** E.164 or page-scoped id. */
    address: string;
    /** In lower case; Postgres keeps it. */
    folded_address: GeneratedAlways<string>;
    contact_id: string;
    /** The latest ticket of the conversation. */
    ticket_id: string | null;
    last_inbound_id: string | null;
    last_inbound_at: MaybeTime;
    window_ends_at: MaybeTime;
    opted_out_at: MaybeTime;
    /** When the customer last asked for silence or took it back. */
    opted_at: MaybeTime;
    /** When the vendor was last asked for the customer's name; null where it never was. */
    profile_asked_at: MaybeTime;
    /** How far what was sent is ahead of the customer's pace. */
    paced_until: MaybeTime;
    updated_at: GeneratedTime;
  };
  pending_media: {
    tenant_id: string;
    channel_id: string;
    message_id: string;
    position: number;
    reference: Json<JsonObject>;
    attempts: Generated<number>;
    next_at: GeneratedTime;
    error: MaybeJson<{ code: string; detail: string }>;
    /** It will not be fetched any more. */
    given_up: Generated<boolean>;
  };
  message_templates: {
    tenant_id: string;
    channel_id: string;
    name: string;
    language: string;
    definition: Json<JsonObject>;
    synced_at: Time;
  };
  scheduled_messages: {
    id: string;
    tenant_id: string;
    ticket_id: string;
    channel_id: string;
    payload: Json<JsonObject>;
    send_at: Time;
    time_zone: string | null;
    status: Generated<'scheduled' | 'sent' | 'cancelled' | 'failed'>;
    message_id: string | null;
    error: MaybeJson<{ code: string; detail: string }>;
    actor: Json<Actor>;
    created_at: GeneratedTime;
    ended_at: MaybeTime;
    /** Temporal has its workflow. */
    started: Generated<boolean>;
    leased_until: GeneratedTime;
  };
}
