import { targetsByName } from '../../db/queries/rule-targets.ts';
import { inTenant } from '../../db/connection.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { ChannelRules } from '../../domain/rules/schema.ts';
import type { ApiDeps } from '../deps.ts';
import { invalid, type FieldError } from '../problem.ts';

/**
 * Rules whose teams and agents are there, named by their ids from here on.
 * @param base where they stand in the body. @throws Problem 422 pointing at each that is unknown
 */
export async function checkRules(
  { db }: Pick<ApiDeps, 'db'>,
  tenantId: TenantId,
  written: ChannelRules,
  base = '/rules',
): Promise<ChannelRules> {
  const { rules = [] } = written;
  if (rules.every(({ then }) => then.team === undefined && then.assignee === undefined))
    return written;
  const { teams, agents } = await inTenant(db, tenantId, (tx) => targetsByName(tx, tenantId));
  const errors: FieldError[] = [];
  const idOf = (
    known: ReadonlyMap<string, string>,
    name: string,
    pointer: string,
    what: string,
  ) => {
    const id = known.get(name.toLowerCase());
    if (id === undefined)
      errors.push({ pointer: base + pointer, message: `There is no active ${what} "${name}".` });
    return id ?? name;
  };
  const named = rules.map((rule, place) => {
    const { team, assignee } = rule.then;
    const at = `/rules/${place}/then`;
    const actions = {
      ...rule.then,
      ...(team === undefined ? {} : { team: idOf(teams, team, `${at}/team`, 'team') }),
      ...(assignee === undefined
        ? {}
        : { assignee: idOf(agents, assignee, `${at}/assignee`, 'agent') }),
    };
    // oxlint-disable-next-line unicorn/no-thenable -- a rule's actions, which nobody awaits
    return { ...rule, then: actions };
  });
  if (errors.length > 0)
    throw invalid(
      'Rules assign to somebody who isn’t there; mend the fields named in errors.',
      errors,
    );
  return { ...written, rules: named };
}
