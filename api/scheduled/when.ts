import { inTenant } from '../../db/connection.ts';
import { zoneFacts } from '../../db/queries/send-zone.ts';
import type { TicketRow } from '../../db/queries/tickets.ts';
import type { TenantId } from '../../domain/ids.ts';
import { instantOf, isLocalTime, timeZoneOfNumber } from '../../domain/send-time.ts';
import type { ApiDeps } from '../deps.ts';
import { invalid } from '../problem.ts';

const MOST_AHEAD_MS = 366 * 24 * 3600 * 1000;

export interface SendTime {
  readonly at: Date;
  /** By which it was told, or by which the customer lives; null where neither is known. */
  readonly timeZone: string | null;
}

/**
 * The instant that is meant: with an offset as it is, without one by the wall clock of `time_zone`, else the customer's,
 * else the tenant's. @throws Problem 422
 */
export async function sendTime(
  { deps, tenantId }: { deps: ApiDeps; tenantId: TenantId },
  ticket: Pick<TicketRow, 'requester_id'>,
  written: { readonly send_at: string; readonly time_zone?: string },
): Promise<SendTime> {
  const timeZone = written.time_zone ?? (await usualZone(deps, tenantId, ticket));
  const at = instant(written.send_at, timeZone);
  const ahead = at.getTime() - Date.now();
  if (ahead <= 0) throw wrong('/send_at', `wants a time to come; ${at.toISOString()} has passed`);
  if (ahead > MOST_AHEAD_MS) throw wrong('/send_at', 'wants a time within a year');
  return { at, timeZone };
}

function instant(written: string, timeZone: string | null): Date {
  if (!isLocalTime(written)) return new Date(written);
  if (timeZone !== null) return instantOf(written, timeZone);
  throw wrong(
    '/time_zone',
    'wants an IANA time zone, such as "Europe/Berlin": neither the customer’s is known nor a business calendar set; or write send_at with its offset',
  );
}

async function usualZone(
  { db }: ApiDeps,
  tenantId: TenantId,
  { requester_id: contactId }: Pick<TicketRow, 'requester_id'>,
): Promise<string | null> {
  const facts = await inTenant(db, tenantId, (tx) => zoneFacts(tx, tenantId, contactId));
  const ofNumber = facts.numbers.map(timeZoneOfNumber).find((zone) => zone !== null);
  return facts.contact ?? ofNumber ?? facts.calendar;
}

function wrong(pointer: string, message: string) {
  return invalid('It can’t be scheduled so.', [{ pointer, message }]);
}
