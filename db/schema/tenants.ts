import type { Generated } from 'kysely';
import type { GeneratedJson, GeneratedTime, JsonObject, MaybeJson, MaybeTime } from './columns.ts';

/** Tenants, who may call the API for them, and what was answered already. */
export interface TenantTables {
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
  idempotency_keys: {
    tenant_id: string;
    key: string;
    fingerprint: Buffer;
    status: number | null;
    body: MaybeJson;
    created_at: GeneratedTime;
    locked_until: MaybeTime;
  };
}
