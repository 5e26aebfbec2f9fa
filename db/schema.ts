import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { Refusals } from '../domain/refusal.ts';
import type { AccountHealth } from '../domain/account-health.ts';

/** Rows as Postgres holds them. Times are Dates, bigints are numbers (see connection.ts), jsonb is parsed. */
type Time = ColumnType<Date, Date | string, Date | string>;
type GeneratedTime = ColumnType<Date, Date | string | undefined, Date | string>;
type MaybeTime = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
type Json<T = unknown> = ColumnType<T, string, string>;
type MaybeJson<T = unknown> = ColumnType<T | null, string | null | undefined, string | null>;
type GeneratedJson<T = unknown> = ColumnType<T, string | undefined, string>;
type JsonObject = Record<string, unknown>;

export interface Database {
  tenants: {
    id: string;
    name: string;
    settings: GeneratedJson<JsonObject>;
    next_ticket_number: Generated<number>;
    created_at: GeneratedTime;
  };
  api_keys: {
    id: string;
    tenant_id: string;
    name: string;
    secret_hash: Buffer;
    scopes: string[];
    created_at: GeneratedTime;
    last_used_at: MaybeTime;
    revoked_at: MaybeTime;
  };
  channels: {
    id: string;
    tenant_id: string;
    provider: string;
    name: string;
    address: string | null;
    settings: GeneratedJson<JsonObject>;
    secrets: Buffer | null;
    rules: MaybeJson;
    ingress_token_hash: Buffer | null;
    desired_state: Generated<'running' | 'paused' | 'stopped'>;
    state: Generated<string>;
    detail: Generated<string>;
    last_error: MaybeJson<{ type: string; detail: string; at: string }>;
    /** Since when it needs an admin; cleared when it watches again, whatever was tried in between. */
    attention_since: MaybeTime;
    /** Since when it backs off or needs an admin; cleared when it watches again. */
    trouble_since: MaybeTime;
    import: MaybeJson<{ done: number; total: number }>;
    messages_received: Generated<number>;
    messages_filtered: Generated<number>;
    last_message_at: MaybeTime;
    next_sweep_at: MaybeTime;
    watch_expires_at: MaybeTime;
    /** The vendor's own name of the account that it reads. */
    account: Generated<string | null>;
    /** What the provider keeps of its push subscription. */
    watch: MaybeJson;
    /** When the subscription was last asked for; null where there is none to release. */
    watch_renewed_at: MaybeTime;
    /** When its account's templates are read again; null where they never were. */
    templates_due_at: MaybeTime;
    /** The key of the ring that `door_word` and `door_signer` were made with; null: not made yet. */
    door_key_id: Generated<string | null>;
    /** Keyed hash of the word that its handshake brings. */
    door_word: Generated<Buffer | null>;
    /** Keyed hash of what its calls are signed with. */
    door_signer: Generated<Buffer | null>;
    /** What its account belongs to together with others, where the vendor's calls name that. */
    door_group: Generated<string | null>;
    /** What the vendor tells of the account, when it did, and when it is asked again; null where it never was. */
    health: MaybeJson<AccountHealth>;
    health_read_at: MaybeTime;
    health_due_at: MaybeTime;
    sync_requested: Generated<number>;
    /** The latest request that a sync was made for and has ended. */
    sync_answered: Generated<number>;
    /** What its vendor refuses, by what it was asked for. */
    refusals: GeneratedJson<Refusals>;
    version: Generated<number>;
    created_at: GeneratedTime;
    updated_at: GeneratedTime;
    deleted_at: MaybeTime;
  };
  channel_tokens: {
    channel_id: string;
    tenant_id: string;
    /** Who consented, as the vendor says. */
    account: string | null;
    /** Sealed, as the refresh token is. */
    access_token: Buffer | null;
    expires_at: MaybeTime;
    refresh_token: Buffer | null;
    fence: Generated<number>;
    leased_until: MaybeTime;
    failure: MaybeJson<JsonObject>;
    failed_fence: number | null;
    failed_until: MaybeTime;
  };
  account_slots: {
    tenant_id: string;
    account: string;
    place: number;
    holder: string;
    leased_until: Time;
  };
  account_pauses: { tenant_id: string; account: string; paused_until: Time };
  /** When the account's next message may leave. */
  account_paces: { tenant_id: string; account: string; next_at: Time };
  oauth_states: {
    hash: Buffer;
    tenant_id: string;
    channel_id: string;
    kind: 'link' | 'state';
    session_hash: Buffer | null;
    /** Of PKCE, sealed. */
    verifier: Buffer | null;
    redirect_uri: string | null;
    expires_at: Time;
    used_at: MaybeTime;
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
  channel_addresses: { address: string; tenant_id: string; channel_id: string };
  channel_cursors: {
    channel_id: string;
    folder: Generated<string>;
    tenant_id: string;
    cursor: MaybeJson;
    fence: Generated<number>;
    leased_until: MaybeTime;
  };
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
  contacts: {
    id: string;
    tenant_id: string;
    name: string | null;
    undeliverable: Generated<string[]>;
    /** IANA name; null where it is not known. */
    time_zone: Generated<string | null>;
    /** The contact that it is one person with, and since when. */
    merged_into: Generated<string | null>;
    merged_at: MaybeTime;
    created_at: GeneratedTime;
  };
  contact_links: {
    id: string;
    tenant_id: string;
    /** Who stays. */
    contact_id: string;
    /** Whose address the link was sent to. */
    other_id: string;
    /** Where it was sent, and what it is said to be one with. */
    address: string;
    shown_address: string;
    actor: Json<Actor>;
    created_at: GeneratedTime;
    expires_at: Time;
    used_at: MaybeTime;
  };
  contact_addresses: { tenant_id: string; address: string; contact_id: string };
  teams: {
    id: string;
    tenant_id: string;
    name: string;
    addresses: Generated<string[]>;
    is_active: Generated<boolean>;
    created_at: GeneratedTime;
  };
  agents: {
    id: string;
    tenant_id: string;
    name: string;
    addresses: Generated<string[]>;
    role: Generated<'agent' | 'admin'>;
    is_active: Generated<boolean>;
    created_at: GeneratedTime;
  };
  team_members: { tenant_id: string; team_id: string; agent_id: string };
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
  };
  conversations: {
    tenant_id: string;
    channel_id: string;
    /** E.164 or page-scoped id. */
    address: string;
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
  thread_ids: {
    tenant_id: string;
    message_id: string;
    ticket_id: string;
    cited: Generated<boolean>;
  };
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
  idempotency_keys: {
    tenant_id: string;
    key: string;
    fingerprint: Buffer;
    status: number | null;
    body: MaybeJson;
    created_at: GeneratedTime;
    locked_until: MaybeTime;
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
}

export type OutboxKind = 'channel' | 'ticket_start' | 'ticket_wake';

/** Who did it: an API key, an agent named by the caller, a customer's message, or the product's own clockwork. */
export interface Actor {
  readonly type: 'api_key' | 'agent' | 'contact' | 'workflow' | 'ingestion';
  readonly id: string;
}
