import { jsonArrayFrom } from 'kysely/helpers/postgres';
import { TenantSettings } from '../../domain/tenant-settings.ts';
import type { TenantId } from '../../domain/ids.ts';
import { BusinessCalendar } from '../../domain/sla/calendar.ts';
import { SlaPolicy } from '../../domain/sla/policy.ts';
import type { TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { Tx } from '../connection.ts';

/** What the tenant has set for its tickets: policies, calendars, and when a ticket closes and ends. */
export async function loadTicketRules(tx: Tx, tenantId: TenantId): Promise<TicketRules> {
  const set = await tx
    .selectNoFrom((eb) => [
      eb.selectFrom('tenants').select('settings').where('id', '=', tenantId).as('settings'),
      jsonArrayFrom(
        eb
          .selectFrom('sla_policies')
          .select(['id', 'definition', 'position', 'is_active'])
          .where('tenant_id', '=', tenantId),
      ).as('policies'),
      jsonArrayFrom(
        eb.selectFrom('calendars').select(['id', 'definition']).where('tenant_id', '=', tenantId),
      ).as('calendars'),
    ])
    .executeTakeFirstOrThrow();
  const settings = TenantSettings.parse(set.settings);
  const known = new Map(
    set.calendars.map(({ id, definition }) => [
      id,
      BusinessCalendar.parse({ ...(definition as object), id }),
    ]),
  );
  return {
    policies: set.policies
      .map(({ definition, ...columns }) =>
        SlaPolicy.parse({ ...(definition as object), ...columns }),
      )
      // A policy whose calendar is gone can't be counted; it waits until it is given another.
      .filter(({ calendar_id }) => calendar_id === null || known.has(calendar_id)),
    calendars: known,
    autoCloseHours: settings.auto_close_hours,
    reopenWindowDays: settings.reopen_window_days,
    afterClosing: settings.after_closing,
  };
}
