import { sql, type Selectable } from 'kysely';
import type { TeamId, TenantId } from '../../domain/ids.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';
import { brokenConstraint } from './pg-error.ts';

export type TeamRow = Selectable<Database['teams']> & { readonly members: string[] };

export interface TeamFields {
  readonly name: string;
  readonly addresses: string[];
  readonly is_active: boolean;
}

/** An agent named as a member is not one of this tenant's. */
export class UnknownMember extends Error {
  override name = 'UnknownMember';
  readonly agentId: string;
  constructor(agentId: string) {
    super(`There is no agent "${agentId}".`);
    this.agentId = agentId;
  }
}

/** Another team of the tenant has this name. */
export class TeamNameTaken extends Error {
  override name = 'TeamNameTaken';
}

const members = sql<string[]>`array(
  select agent_id from team_members where team_id = teams.id order by agent_id)`.as('members');

/** A repeat with the same id finds the first one. @throws UnknownMember, TeamNameTaken */
export async function insertTeam(
  db: Db,
  tenantId: TenantId,
  id: TeamId,
  fields: TeamFields,
  agentIds: readonly string[],
): Promise<TeamRow> {
  return named(() =>
    inTenant(db, tenantId, async (tx) => {
      await tx
        .insertInto('teams')
        .values({ id, tenant_id: tenantId, ...fields })
        .onConflict((oc) => oc.column('id').doUpdateSet(fields))
        .execute();
      await setMembers(tx, tenantId, id, agentIds);
      return (await selectTeam(tx, id))!;
    }),
  );
}

export async function findTeam(db: Db, tenantId: TenantId, id: string): Promise<TeamRow | null> {
  return inTenant(db, tenantId, async (tx) => (await selectTeam(tx, id)) ?? null);
}

/** Oldest first. @param after id of the last one shown. */
export async function listTeams(
  db: Db,
  tenantId: TenantId,
  { after, limit }: { after: string | null; limit: number },
): Promise<TeamRow[]> {
  return inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('teams')
      .selectAll()
      .select(members)
      .where('tenant_id', '=', tenantId)
      .$if(after !== null, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute(),
  );
}

/** Members, where given, replace those before. @throws UnknownMember, TeamNameTaken */
export async function updateTeam(
  db: Db,
  tenantId: TenantId,
  id: string,
  changes: Partial<TeamFields>,
  agentIds: readonly string[] | undefined,
): Promise<TeamRow | null> {
  return named(() =>
    inTenant(db, tenantId, async (tx) => {
      const found = await tx
        .updateTable('teams')
        .set({ ...changes, id })
        .where('id', '=', id)
        .returning('id')
        .executeTakeFirst();
      if (!found) return null;
      if (agentIds) await setMembers(tx, tenantId, id, agentIds);
      return (await selectTeam(tx, id))!;
    }),
  );
}

function selectTeam(tx: Tx, id: string): Promise<TeamRow | undefined> {
  return tx.selectFrom('teams').selectAll().select(members).where('id', '=', id).executeTakeFirst();
}

async function setMembers(
  tx: Tx,
  tenantId: TenantId,
  teamId: string,
  agentIds: readonly string[],
): Promise<void> {
  await tx.deleteFrom('team_members').where('team_id', '=', teamId).execute();
  if (agentIds.length === 0) return;
  // Read under row-level security: a foreign key alone would take another tenant's agent.
  const known = await tx
    .selectFrom('agents')
    .select('id')
    .where('id', 'in', [...agentIds])
    .execute();
  const ids = new Set(known.map((row) => row.id));
  const unknown = agentIds.find((id) => !ids.has(id));
  if (unknown !== undefined) throw new UnknownMember(unknown);
  await tx
    .insertInto('team_members')
    .values([...ids].map((id) => ({ tenant_id: tenantId, team_id: teamId, agent_id: id })))
    .execute();
}

async function named<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (brokenConstraint(error, 'unique') === 'teams_tenant_id_name_key')
      throw new TeamNameTaken('Another team has this name.', { cause: error });
    throw error;
  }
}
