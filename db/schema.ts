import type { ChannelTables } from './schema/channels.ts';
import type { EventTables } from './schema/events.ts';
import type { MessageTables } from './schema/messages.ts';
import type { PeopleTables } from './schema/people.ts';
import type { SourceTables } from './schema/sources.ts';
import type { TenantTables } from './schema/tenants.ts';
import type { TicketTables } from './schema/tickets.ts';

export type { Actor } from './schema/actor.ts';
export type { OutboxKind } from './schema/events.ts';

/** Rows as Postgres holds them. */
export interface Database
  extends
    TenantTables,
    ChannelTables,
    SourceTables,
    PeopleTables,
    TicketTables,
    MessageTables,
    EventTables {}
