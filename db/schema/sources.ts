import type { Generated } from 'kysely';
import type { GeneratedTime, Json, JsonObject, MaybeJson, MaybeTime, Time } from './columns.ts';

/** What comes in, as it came, and what keeps it from coming in too often. */
export interface SourceTables {
  blobs: {
    tenant_id: string;
    sha256: Buffer;
    size: number;
    complete: Generated<boolean>;
    created_at: GeneratedTime;
  };
  blob_chunks: { tenant_id: string; sha256: Buffer; seq: number; bytes: Buffer };
  sources: {
    id: string;
    tenant_id: string;
    channel_id: string;
    provider_message_id: string | null;
    sha256: Buffer;
    size: number;
    status: Generated<'staged' | 'ingested' | 'duplicate' | 'set_aside' | 'filtered'>;
    envelope: MaybeJson<{ from: string | null; to: string[] }>;
    meta: MaybeJson<JsonObject>;
    received_at: Time;
    attempts: Generated<number>;
    error: MaybeJson<{ type: string; detail: string }>;
    /** Why it became no message by the channel's rules or its door. */
    filtered: MaybeJson<{ by: string; rule?: string; detail: string }>;
    message_id: string | null;
    ingested_at: MaybeTime;
    staged_at: GeneratedTime;
    traceparent: Generated<string | null>;
  };
  early_statuses: {
    tenant_id: string;
    channel_id: string;
    /** The channel's id of the message, or its Message-ID. */
    message: string;
    status: string;
    recipient: Generated<string>;
    code: string | null;
    detail: string | null;
    at: Time;
    created_at: GeneratedTime;
  };
  status_reports: {
    id: string;
    tenant_id: string;
    channel_id: string;
    statuses: Json;
    received_at: GeneratedTime;
    leased_until: GeneratedTime;
    attempts: Generated<number>;
    error: string | null;
  };
  notice_groups: {
    tenant_id: string;
    channel_id: string;
    key: Buffer;
    ticket_id: string;
    until: Time;
    noted_at: GeneratedTime;
  };
  auto_replies: { tenant_id: string; channel_id: string; recipient: Buffer; until: Time };
  sender_hours: { tenant_id: string; hour: Time; sender: Buffer; messages: number };
}
