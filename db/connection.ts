import { Kysely, sql, type Transaction } from 'kysely';
import pg from 'pg';
import type { TenantId } from '../domain/ids.ts';
import type { Logger } from '../telemetry/log.ts';
import { currentTraceparent } from '../telemetry/trace.ts';
import { PreparedStatements } from './prepared.ts';
import type { Database } from './schema.ts';
import { sendTogether } from './sent-together.ts';
import { openingWith, TenantDialect, wholeAtOnce, type Statement } from './tenant-dialect.ts';

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;

const BIGINT = 20;
/** Rows count in numbers. */
export const parsers = new pg.TypeOverrides();
parsers.setTypeParser(BIGINT, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`bigint ${text} is too large for a number`);
  return value;
});

export interface ConnectionOptions {
  readonly url: string;
  readonly poolSize?: number;
  readonly log?: Logger;
}

/**
 * Opens a pool that works as `postroom_app`: a role that owns nothing, so that row-level security holds for it
 * whatever user DATABASE_URL names.
 */
export function connect({ url, poolSize = 20, log }: ConnectionOptions): Db {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    pipeline: true,
    options: '-c role=postroom_app',
    types: parsers,
    application_name: 'postroom',
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
  });
  const lost = (error: Error) => log?.warn({ err: error }, 'a database connection was lost');
  pool.on('error', lost);
  // The pool hears only of its idle clients: one that is lost inside a transaction, between two statements, would
  // end the process. Its next statement fails, and so the transaction does.
  const prepared = new PreparedStatements();
  pool.on('connect', (client) => {
    client.on('error', lost);
    sendTogether(client);
    prepared.watch(client);
  });
  return new Kysely<Database>({ dialect: new TenantDialect({ pool }) });
}

/**
 * Runs `work` in one transaction that sees and writes this tenant's rows alone. Rows that lead to later work remember
 * the trace it runs in.
 */
export async function inTenant<T>(
  db: Db,
  tenant: TenantId,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  return openingWith(settingsOf(tenant), () => db.transaction().execute(work));
}

/**
 * The same for statements that are all known before, in one round trip.
 * @returns the rows of each, in their order; throws what the first that failed threw, and nothing of it is kept
 */
export async function inTenantAtOnce(
  db: Db,
  tenant: TenantId,
  statements: readonly Statement<unknown>[],
): Promise<unknown[][]> {
  return wholeAtOnce(db, settingsOf(tenant), statements);
}

function settingsOf(tenant: TenantId) {
  return { 'app.tenant': tenant, 'app.traceparent': currentTraceparent() };
}

/** What the transaction writes from here on belongs to the current span: where one begins in mid-transaction. */
export async function rememberTrace(tx: Tx): Promise<void> {
  const trace = currentTraceparent();
  if (trace !== null) await sql`select set_config('app.traceparent', ${trace}, true)`.execute(tx);
}
