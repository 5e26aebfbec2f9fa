import type { Tx } from '../connection.ts';

/** What tells by which wall clock a customer lives. */
export interface ZoneFacts {
  /** As it was set for the contact. */
  readonly contact: string | null;
  /** Numbers in E.164. */
  readonly numbers: readonly string[];
  /** Of the tenant's first business calendar. */
  readonly calendar: string | null;
}

export async function zoneFacts(tx: Tx, tenantId: string, contactId: string): Promise<ZoneFacts> {
  const contact = await tx
    .selectFrom('contacts')
    .select('time_zone')
    .where('id', '=', contactId)
    .executeTakeFirst();
  const numbers = await tx
    .selectFrom('contact_addresses')
    .select('address')
    .where('contact_id', '=', contactId)
    .where('address', 'like', '+%')
    .orderBy('address')
    .execute();
  const calendar = await tx
    .selectFrom('calendars')
    .select('definition')
    .where('tenant_id', '=', tenantId)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return {
    contact: contact?.time_zone ?? null,
    numbers: numbers.map(({ address }) => address),
    calendar: (calendar?.definition as { time_zone?: string } | undefined)?.time_zone ?? null, // BusinessCalendar
  };
}
