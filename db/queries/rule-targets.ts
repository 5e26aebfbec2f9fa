import type { Verdict } from '../../domain/rules/evaluate.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Tx } from '../connection.ts';
import type { BeginsWith } from './routing.ts';
import type { NewTicket } from './tickets.ts';

/** Teams and agents that rules may assign to: those that are there and at work. */
export interface RuleTargets {
  readonly teams: ReadonlySet<string>;
  readonly agents: ReadonlySet<string>;
}

/** Of those the verdicts name, the ones that can be assigned: a team that has gone since assigns nobody. */
export async function assignableTargets(
  tx: Tx,
  verdicts: readonly Pick<Verdict, 'team' | 'assignee'>[],
): Promise<RuleTargets> {
  return {
    teams: await activeIds(
      tx,
      'teams',
      verdicts.flatMap(({ team }) => team ?? []),
    ),
    agents: await activeIds(
      tx,
      'agents',
      verdicts.flatMap(({ assignee }) => assignee ?? []),
    ),
  };
}

/** What rules set on a new ticket, its priority apart. */
export function ticketByRules(
  { spam, tags, team, assignee, type }: Omit<BeginsWith, 'priority'>,
  { teams, agents }: RuleTargets,
): Partial<NewTicket> {
  return {
    tags,
    ...(spam ? { status: 'spam' as const } : {}),
    ...(type === null ? {} : { customFields: { type } }),
    teamId: team !== null && teams.has(team) ? team : null,
    assigneeId: assignee !== null && agents.has(assignee) ? assignee : null,
  };
}

async function activeIds(
  tx: Tx,
  table: 'teams' | 'agents',
  ids: readonly string[],
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await tx
    .selectFrom(table)
    .select('id')
    .where('id', 'in', [...new Set(ids)])
    .where('is_active', '=', true)
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** Teams by id and name, agents by id and address, in lower case: how an admin may name them in a rule. */
export async function targetsByName(
  tx: Tx,
  tenantId: TenantId,
): Promise<{ teams: Map<string, string>; agents: Map<string, string> }> {
  const teams = await tx
    .selectFrom('teams')
    .select(['id', 'name'])
    .where('tenant_id', '=', tenantId)
    .where('is_active', '=', true)
    .execute();
  const agents = await tx
    .selectFrom('agents')
    .select(['id', 'addresses'])
    .where('tenant_id', '=', tenantId)
    .where('is_active', '=', true)
    .execute();
  return {
    teams: namesOf(teams.map(({ id, name }) => ({ id, names: [name] }))),
    agents: namesOf(agents.map(({ id, addresses }) => ({ id, names: addresses }))),
  };
}

function namesOf(rows: readonly { id: string; names: readonly string[] }[]): Map<string, string> {
  const entries = rows.flatMap(({ id, names }) =>
    [...names, id].map((name) => [name.trim().toLowerCase(), id] as const),
  );
  return new Map(entries);
}
