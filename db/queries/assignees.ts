import { isId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';

/** Whether there is such an agent or team, and it works. */
export async function isActive(tx: Tx, table: 'agents' | 'teams', id: string): Promise<boolean> {
  const row = await tx
    .selectFrom(table)
    .select('id')
    .where('id', '=', id)
    .where('is_active', '=', true)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Mail addresses of those a notification names: agents and teams by id (a team by its own addresses, else by its
 * members'), others as they are written.
 */
export async function addressesOf(tx: Tx, names: readonly string[]): Promise<string[]> {
  const agents = names.filter((name) => isId('agent', name));
  const teams = names.filter((name) => isId('team', name));
  const written = names.filter((name) => name.includes('@'));
  const ofTeams = teams.length === 0 ? [] : await teamAddresses(tx, teams);
  const ofAgents =
    agents.length === 0
      ? []
      : await tx
          .selectFrom('agents')
          .select('addresses')
          .where('id', 'in', agents)
          .where('is_active', '=', true)
          .execute();
  return [
    ...new Set([
      ...written,
      ...ofTeams,
      ...ofAgents.flatMap(({ addresses }) => addresses.slice(0, 1)),
    ]),
  ];
}

async function teamAddresses(tx: Tx, ids: readonly string[]): Promise<string[]> {
  const teams = await tx
    .selectFrom('teams')
    .select(['id', 'addresses'])
    .where('id', 'in', [...ids])
    .execute();
  const without = teams.filter(({ addresses }) => addresses.length === 0).map(({ id }) => id);
  const own = teams.flatMap(({ addresses }) => addresses);
  if (without.length === 0) return own;
  const members = await tx
    .selectFrom('team_members')
    .innerJoin('agents', 'agents.id', 'team_members.agent_id')
    .select('agents.addresses')
    .where('team_members.team_id', 'in', without)
    .where('agents.is_active', '=', true)
    .execute();
  return [...own, ...members.flatMap(({ addresses }) => addresses.slice(0, 1))];
}
