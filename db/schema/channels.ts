import type { Generated } from 'kysely';
import type { AccountHealth } from '../../domain/account-health.ts';
import type { Refusals } from '../../domain/refusal.ts';
import type {
  GeneratedJson,
  GeneratedTime,
  JsonObject,
  MaybeJson,
  MaybeTime,
  Time,
} from './columns.ts';

/** Channels, and what they have at their vendors: consents, pushes, turns. */
export interface ChannelTables {
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
  channel_addresses: { address: string; tenant_id: string; channel_id: string };
  channel_cursors: {
    channel_id: string;
    folder: Generated<string>;
    tenant_id: string;
    cursor: MaybeJson;
    fence: Generated<number>;
    leased_until: MaybeTime;
  };
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
}
