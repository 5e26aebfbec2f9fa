import { sql } from 'kysely';
import type { EventType } from '../../domain/events.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { NormalizedMessage } from '../../domain/message.ts';
import type { DeliveryStatus } from '../../providers/contract.ts';
import { messagesFailed } from '../../telemetry/metrics.ts';
import type { Tx } from '../connection.ts';
import { markUndeliverable } from './bounces.ts';
import { closeWindows, isWindowClosed } from './closed-windows.ts';
import { addressKey } from './known-contacts.ts';
import { lockMessages, presentMessages, type MessageRow } from './messages.ts';
import type { Pending } from './outbox.ts';
import { recordTicketEvents } from './ticket-changes.ts';
import type { TicketRow } from './tickets.ts';

/**
 * A later state stands above an earlier one, and trouble above success: so it is the same in whatever order, and how
 * often, a vendor tells it. Of a message to several people, one lost copy is what shows.
 */
const RANK: Readonly<Record<string, number>> = {
  accepted: 1,
  uncertain: 2,
  sent: 3,
  delivered: 4,
  read: 5,
  failed: 6,
  bounced: 7,
  complained: 8,
};

const EVENT: Readonly<Record<DeliveryStatus['status'], EventType | null>> = {
  sent: null,
  delivered: 'message.delivered',
  read: 'message.read',
  failed: 'message.failed',
  bounced: 'message.bounced',
  complained: 'message.complained',
};

export type Said = Pick<DeliveryStatus, 'status' | 'recipient' | 'code' | 'detail'>;

/** A vendor's word of this event reaches the message's ticket. */
export function isTold({ status }: Said): boolean {
  return EVENT[status] !== null;
}

/** What is said of one message, and its ticket, where it has one that is to hear of it: locked. */
export interface Told {
  readonly messageId: string;
  readonly ticket: TicketRow | null;
  /** Its ticket when that was looked for; left out where the caller has held it since. */
  readonly ticketId?: string | null;
  readonly said: readonly Said[];
}

/**
 * Raises messages through what is said of them; each step that counts is an event. What is behind by now changes
 * nothing. Returns the tickets that heard of it, as they are now, by id.
 */
export async function raiseMessages(
  tx: Tx,
  pending: Pending,
  told: readonly Told[],
): Promise<Map<string, TicketRow>> {
  if (told.every(({ said }) => said.length === 0)) return new Map();
  const rows = await lockMessages(
    tx,
    told.map(({ messageId }) => messageId),
  );
  const known = told.flatMap((one) => {
    const row = rows.get(one.messageId);
    if (row && one.ticketId !== undefined && row.ticket_id !== one.ticketId)
      throw new Error(
        'A message’s ticket began in this moment; what is said of it is applied again.',
      );
    return row ? [{ ...one, row }] : [];
  });
  for (const { row, said } of known)
    for (const one of said)
      if (one.status === 'bounced') await noteUndeliverable(tx, pending.tenantId, row, one);
  const steps = known.flatMap(stepsOf);
  const last = [...new Map(steps.map(({ row }) => [row.id, row])).values()];
  await store(tx, last);
  count(last);
  await closeWindows(
    tx,
    steps.flatMap(({ row }) => (isWindowClosed(row.error) ? [row.id] : [])),
  );
  return announce(tx, pending, steps);
}

/** A message in a state that it came to. */
interface Step {
  readonly row: MessageRow;
  readonly type: EventType | null;
  readonly ticket: TicketRow | null;
}

function stepsOf({ said, ticket, row: before }: Told & { readonly row: MessageRow }): Step[] {
  let row = before;
  return said
    .toSorted((a, b) => RANK[a.status]! - RANK[b.status]!)
    .flatMap((one) => {
      const now = RANK[row.status];
      if (now === undefined || now >= RANK[one.status]!) return [];
      row = { ...row, status: one.status, error: isTrouble(one) ? troubleOf(one) : null };
      return [{ row, type: EVENT[one.status], ticket }];
    });
}

function isTrouble({ status }: { readonly status: string }): boolean {
  return RANK[status]! >= RANK['failed']!;
}

function troubleOf({ status, code, detail }: Said) {
  return { code: code ?? `delivery.${status}`, detail: clean(detail) ?? status };
}

/** Each message as it came to be at last. */
async function store(tx: Tx, rows: readonly MessageRow[]): Promise<void> {
  if (rows.length === 0) return;
  const changes = rows.map(({ id, status, error }) => ({ id, status, error }));
  await sql`
    update messages m set status = d.status, error = d.error, receipt_due_at = null
      from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) as d(id text, status text, error jsonb)
     where m.id = d.id`.execute(tx);
}

/** What a vendor took and could not deliver. */
function count(rows: readonly MessageRow[]): void {
  for (const row of rows)
    if (isTrouble(row)) {
      const { channel: provider } = row.body as unknown as Pick<NormalizedMessage, 'channel'>; // the column's own form
      messagesFailed.inc({ provider, reason: `delivery.${row.status}` });
    }
}

async function announce(
  tx: Tx,
  pending: Pending,
  steps: readonly Step[],
): Promise<Map<string, TicketRow>> {
  const heard = steps.flatMap(({ row, type, ticket }) =>
    type === null || ticket === null ? [] : [{ row, type, ticket }],
  );
  if (heard.length === 0) return new Map();
  const messages = await presentMessages(
    tx,
    heard.map(({ row }) => row),
  );
  const events = heard.map(({ row, type, ticket }, place) => ({
    ticket,
    event: {
      type,
      data:
        row.error === null
          ? { message: messages[place] }
          : { message: messages[place], error: row.error },
    },
  }));
  const byTicket = Map.groupBy(events, ({ ticket }) => ticket.id);
  const tickets = await recordTicketEvents(
    tx,
    pending,
    [...byTicket.values()].map((of) => ({
      ticket: of[0]!.ticket,
      events: of.map(({ event }) => event),
    })),
  );
  return new Map(tickets.map((ticket) => [ticket.id, ticket]));
}

/** Only an address that the message went to: a vendor's word of others is no business of ours. */
async function noteUndeliverable(
  tx: Tx,
  tenantId: TenantId,
  { body }: MessageRow,
  { recipient }: Said,
): Promise<void> {
  const { to, cc } = body as unknown as Pick<NormalizedMessage, 'to' | 'cc'>; // the column's own form
  const written = [...to, ...cc].map(({ address }) => addressKey(address));
  const lost =
    recipient === undefined
      ? written.length === 1
        ? written[0]
        : undefined
      : addressKey(recipient);
  if (lost !== undefined && written.includes(lost)) await markUndeliverable(tx, tenantId, [lost]);
}

function clean(detail: string | undefined): string | undefined {
  return detail?.replaceAll('\0', '').slice(0, 1000);
}
