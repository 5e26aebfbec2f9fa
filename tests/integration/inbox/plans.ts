import { CompiledQuery, type RootOperationNode } from 'kysely';
import { inTenant, type Db } from '../../../db/connection.ts';
import type { TenantId } from '../../../domain/ids.ts';

/** How Postgres runs the last statement of this work that matches, for the tenant's role: EXPLAIN's text. */
export async function planOf(
  db: Db,
  tenantId: TenantId,
  work: (watched: Db) => Promise<unknown>,
  which: RegExp,
): Promise<string> {
  const nodes: RootOperationNode[] = [];
  const watched = db.withPlugin({
    transformQuery: ({ node }) => (nodes.push(node), node),
    transformResult: ({ result }) => Promise.resolve(result),
  });
  await work(watched);
  const executor = db.getExecutor();
  const queries = nodes.map((node) => executor.compileQuery(node, { queryId: 'plan' }));
  const found = queries.findLast(({ sql }) => which.test(sql))!;
  const { rows } = await inTenant(db, tenantId, (tx) =>
    tx.executeQuery<{ 'QUERY PLAN': string }>(
      CompiledQuery.raw(`explain ${found.sql}`, [...found.parameters]),
    ),
  );
  return rows.map((line) => line['QUERY PLAN']).join('\n');
}

/** Tells the planner what a table holds by now. */
export async function analyze(db: Db, tenantId: TenantId, table: string): Promise<void> {
  await inTenant(db, tenantId, async (tx) => {
    await tx.executeQuery(CompiledQuery.raw('set local role none')); // the tables' owner
    await tx.executeQuery(CompiledQuery.raw(`analyze ${table}`));
  });
}
