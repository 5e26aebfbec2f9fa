import { sql } from 'kysely';
import type { CommandId, TenantId } from '../../domain/ids.ts';
import type { CommandOutcome, CommandUpdate } from '../../workflows/contracts/ticket.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';

/** What an agent asked for; the Update carries its id alone. */
export interface Command {
  readonly id: string;
  readonly ticketId: string;
  readonly kind: CommandUpdate;
  readonly actor: Actor;
  readonly ifVersion: number | null;
  readonly payload: Record<string, unknown>;
  readonly result: CommandOutcome | null;
  /** The trace of the request that asked for it (W3C Trace Context). */
  readonly traceparent: string | null;
}

export interface NewCommand {
  /** The same for a repeat of the same request: its row is left as it is. */
  readonly id: CommandId;
  readonly ticketId: string;
  readonly kind: CommandUpdate;
  readonly actor: Actor;
  readonly ifVersion?: number | null;
  readonly idempotencyKey?: string | null;
  readonly payload: Record<string, unknown>;
}

export async function insertCommand(
  tx: Tx,
  tenantId: TenantId,
  command: NewCommand,
): Promise<void> {
  if (command.idempotencyKey != null) await freeExpiredKey(tx, tenantId, command.idempotencyKey);
  await tx
    .insertInto('commands')
    .values({
      id: command.id,
      tenant_id: tenantId,
      ticket_id: command.ticketId,
      kind: command.kind,
      actor: JSON.stringify(command.actor),
      idempotency_key: command.idempotencyKey ?? null,
      if_version: command.ifVersion ?? null,
      payload: JSON.stringify(command.payload),
    })
    .onConflict((oc) => oc.column('id').doNothing())
    .execute();
}

/** A key counts for 24 hours; the sweep may not have come by yet. */
async function freeExpiredKey(tx: Tx, tenantId: TenantId, key: string): Promise<void> {
  await tx
    .updateTable('commands')
    .set({ idempotency_key: null })
    .where('tenant_id', '=', tenantId)
    .where('idempotency_key', '=', key)
    .where('created_at', '<', sql<Date>`now() - interval '24 hours'`)
    .execute();
}

const COLUMNS = [
  'id',
  'ticket_id',
  'kind',
  'actor',
  'if_version',
  'payload',
  'result',
  'traceparent',
] as const;

export async function findCommand(tx: Tx, id: string): Promise<Command | null> {
  const row = await tx
    .selectFrom('commands')
    .select(COLUMNS)
    .where('id', '=', id)
    .executeTakeFirst();
  return row ? asCommand(row) : null;
}

/** Commands that no caller waits for, left by a crash between their transaction and Temporal; oldest first. */
export async function findUntoldPolicyChanges(tx: Tx, ticketId: string): Promise<Command[]> {
  const rows = await tx
    .selectFrom('commands')
    .select(COLUMNS)
    .where('ticket_id', '=', ticketId)
    .where('kind', '=', 'policyChanged')
    .where('applied_at', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(asCommand);
}

/** Keeps the answer, in the transaction that made it true: a repeat gets the same. */
export async function storeResult(
  tx: Tx,
  id: string,
  result: CommandOutcome,
  now: Date,
): Promise<void> {
  await tx
    .updateTable('commands')
    .set({ result: JSON.stringify(result), applied_at: now })
    .where('id', '=', id)
    .execute();
}

/** Removes commands that were applied longer ago than their answers are kept; what they did stands in ticket and audit. */
export async function sweepCommands(db: Db, tenantId: TenantId): Promise<number> {
  const { numDeletedRows } = await inTenant(db, tenantId, (tx) =>
    tx
      .deleteFrom('commands')
      .where('tenant_id', '=', tenantId)
      .where('applied_at', '<', sql<Date>`now() - interval '24 hours'`)
      .executeTakeFirst(),
  );
  return Number(numDeletedRows);
}

function asCommand(row: {
  id: string;
  ticket_id: string;
  kind: string;
  actor: Actor;
  if_version: number | null;
  payload: Record<string, unknown>;
  result: unknown;
  traceparent: string | null;
}): Command {
  return {
    id: row.id,
    ticketId: row.ticket_id,
    kind: row.kind as CommandUpdate,
    actor: row.actor,
    ifVersion: row.if_version,
    payload: row.payload,
    result: row.result as CommandOutcome | null,
    traceparent: row.traceparent,
  };
}
