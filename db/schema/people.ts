import type { Generated } from 'kysely';
import type { Actor } from './actor.ts';
import type { GeneratedTime, Json, MaybeTime, Time } from './columns.ts';

/** Customers and those who answer them. */
export interface PeopleTables {
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
  contact_addresses: { tenant_id: string; address: string; contact_id: string };
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
  agents: {
    id: string;
    tenant_id: string;
    name: string;
    addresses: Generated<string[]>;
    role: Generated<'agent' | 'admin'>;
    is_active: Generated<boolean>;
    created_at: GeneratedTime;
  };
  teams: {
    id: string;
    tenant_id: string;
    name: string;
    addresses: Generated<string[]>;
    is_active: Generated<boolean>;
    created_at: GeneratedTime;
  };
  team_members: { tenant_id: string; team_id: string; agent_id: string };
}
