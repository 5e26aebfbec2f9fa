import { sql } from 'kysely';
import type { Id, TenantId } from '../../domain/ids.ts';
import type { BusinessCalendarInput } from '../../domain/sla/calendar.ts';
import type { SlaPolicyInput } from '../../domain/sla/policy.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { Pending } from './outbox.ts';
import { queuePolicyChanges, type ToldTicket } from './policy-changes.ts';

export interface DefinedRow<Definition> {
  readonly id: string;
  readonly definition: Definition;
  readonly created_at: Date;
  readonly updated_at: Date;
}
export type PolicyRow = DefinedRow<SlaPolicyInput>;
export type CalendarRow = DefinedRow<BusinessCalendarInput>;

/** A change that running tickets are to hear of: follow with `tellPolicyChange`. */
export interface Change<Row> {
  readonly row: Row;
  readonly pending: Pending;
  readonly tickets: readonly ToldTicket[];
}

/** Something that a policy names is not one of this tenant's. */
export class UnknownReference extends Error {
  override name = 'UnknownReference';
  /** JSON pointer into the policy. */
  readonly pointer: string;
  constructor(pointer: string, message: string) {
    super(message);
    this.pointer = pointer;
  }
}

type Table = 'sla_policies' | 'calendars';
type DefinitionOf<T extends Table> = T extends 'calendars' ? BusinessCalendarInput : SlaPolicyInput;

/** Oldest first. @param after id of the last one shown. */
export async function listDefined<T extends Table>(
  db: Db,
  tenantId: TenantId,
  table: T,
  { after, limit }: { after: string | null; limit: number },
): Promise<DefinedRow<DefinitionOf<T>>[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    from(tx, table)
      .select(['id', 'definition', 'created_at', 'updated_at'])
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
  return rows as DefinedRow<DefinitionOf<T>>[]; // stored parsed, by this file alone
}

export async function findDefined<T extends Table>(
  db: Db,
  tenantId: TenantId,
  table: T,
  id: string,
): Promise<DefinedRow<DefinitionOf<T>> | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    from(tx, table)
      .select(['id', 'definition', 'created_at', 'updated_at'])
      .where('id', '=', id)
      .executeTakeFirst(),
  );
  return (row as DefinedRow<DefinitionOf<T>> | undefined) ?? null; // as above
}

/** New tickets follow it; running ones keep the policy they have. @throws UnknownReference */
export async function insertPolicy(
  db: Db,
  tenantId: TenantId,
  id: Id<'slaPolicy'>,
  policy: SlaPolicyInput,
): Promise<PolicyRow> {
  return inTenant(db, tenantId, async (tx) => {
    await checkReferences(tx, policy);
    const values = policyColumns(policy);
    const row = await tx
      .insertInto('sla_policies')
      .values({ id, tenant_id: tenantId, ...values })
      .onConflict((oc) => oc.column('id').doUpdateSet(values))
      .returning(['id', 'definition', 'created_at', 'updated_at'])
      .executeTakeFirstOrThrow();
    return row as PolicyRow; // as above
  });
}

export async function insertCalendar(
  db: Db,
  tenantId: TenantId,
  id: Id<'calendar'>,
  calendar: BusinessCalendarInput,
): Promise<CalendarRow> {
  const definition = JSON.stringify(calendar);
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('calendars')
      .values({ id, tenant_id: tenantId, definition })
      .onConflict((oc) => oc.column('id').doUpdateSet({ definition }))
      .returning(['id', 'definition', 'created_at', 'updated_at'])
      .executeTakeFirstOrThrow(),
  );
  return row as CalendarRow; // as above
}

/** @param change sees the locked policy as it is. @throws UnknownReference */
export async function changePolicy(
  db: Db,
  tenantId: TenantId,
  id: string,
  actor: Actor,
  change: (before: SlaPolicyInput) => SlaPolicyInput,
): Promise<Change<PolicyRow> | null> {
  return inTenant(db, tenantId, async (tx) => {
    const before = await lock(tx, 'sla_policies', id);
    if (!before) return null;
    const policy = change(before.definition);
    await checkReferences(tx, policy);
    const row = await tx
      .updateTable('sla_policies')
      .set({ ...policyColumns(policy), updated_at: sql<Date>`now()` })
      .where('id', '=', id)
      .returning(['id', 'definition', 'created_at', 'updated_at'])
      .executeTakeFirstOrThrow();
    return told(tx, tenantId, actor, row as PolicyRow); // as above
  });
}

/** @param change sees the locked calendar as it is. */
export async function changeCalendar(
  db: Db,
  tenantId: TenantId,
  id: string,
  actor: Actor,
  change: (before: BusinessCalendarInput) => BusinessCalendarInput,
): Promise<Change<CalendarRow> | null> {
  return inTenant(db, tenantId, async (tx) => {
    const before = await lock(tx, 'calendars', id);
    if (!before) return null;
    const row = await tx
      .updateTable('calendars')
      .set({
        definition: JSON.stringify(change(before.definition)),
        updated_at: sql<Date>`now()`,
      })
      .where('id', '=', id)
      .returning(['id', 'definition', 'created_at', 'updated_at'])
      .executeTakeFirstOrThrow();
    return told(tx, tenantId, actor, row as CalendarRow); // as above
  });
}

/** Tickets under it go on without a policy, or with another that fits. */
export async function deletePolicy(
  db: Db,
  tenantId: TenantId,
  id: string,
  actor: Actor,
): Promise<Change<null> | null> {
  return inTenant(db, tenantId, async (tx) => {
    const { numDeletedRows } = await tx
      .deleteFrom('sla_policies')
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows > 0n ? told(tx, tenantId, actor, null) : null;
  });
}

/** `in_use`: a policy counts by it. */
export async function deleteCalendar(
  db: Db,
  tenantId: TenantId,
  id: string,
): Promise<'deleted' | 'missing' | 'in_use'> {
  return inTenant(db, tenantId, async (tx) => {
    if (!(await lock(tx, 'calendars', id))) return 'missing';
    const user = await tx
      .selectFrom('sla_policies')
      .select('id')
      .where(sql<boolean>`definition->>'calendar_id' = ${id}`)
      .executeTakeFirst();
    if (user) return 'in_use';
    await tx.deleteFrom('calendars').where('id', '=', id).execute();
    return 'deleted';
  });
}

async function told<Row>(tx: Tx, tenantId: TenantId, actor: Actor, row: Row): Promise<Change<Row>> {
  const pending = new Pending(tenantId);
  return { row, pending, tickets: await queuePolicyChanges(tx, pending, actor) };
}

function policyColumns(policy: SlaPolicyInput) {
  const { position, is_active } = policy;
  return { position, is_active, definition: JSON.stringify(policy) };
}

/** Both tables have the same columns as far as this file reads them. */
function from(tx: Tx, table: Table) {
  return tx.selectFrom(table);
}

async function lock<T extends Table>(tx: Tx, table: T, id: string) {
  const row = await from(tx, table)
    .select(['id', 'definition'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  return row as { id: string; definition: DefinitionOf<T> } | undefined; // as above
}

/** The calendar is locked against being deleted under the policy. */
async function checkReferences(tx: Tx, policy: SlaPolicyInput): Promise<void> {
  const { calendar_id: calendarId } = policy;
  if (calendarId !== null) {
    const found = await tx
      .selectFrom('calendars')
      .select('id')
      .where('id', '=', calendarId)
      .forShare()
      .executeTakeFirst();
    if (!found) throw new UnknownReference('/calendar_id', `There is no calendar "${calendarId}".`);
  }
  for (const [step, { actions }] of policy.escalations.entries()) {
    for (const [place, action] of actions.entries()) {
      if (action.type !== 'assign_team') continue;
      const team = await tx
        .selectFrom('teams')
        .select('id')
        .where('id', '=', action.team_id)
        .executeTakeFirst();
      if (!team)
        throw new UnknownReference(
          `/escalations/${step}/actions/${place}/team_id`,
          `There is no team "${action.team_id}".`,
        );
    }
  }
}
