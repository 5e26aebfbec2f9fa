import { AsyncLocalStorage } from 'node:async_hooks';
import {
  CompiledQuery,
  PostgresDialect,
  PostgresDriver,
  type DatabaseConnection,
  type Driver,
  type PostgresDialectConfig,
  type QueryExecutorProvider,
  type TransactionSettings,
} from 'kysely';
import pg from 'pg';

/** Settings that hold until the transaction ends; null is left as it is. */
export type LocalSettings = Readonly<Record<string, string | null>>;

/** What the next transaction of this call begins with; taken once. */
const opening = new AsyncLocalStorage<{ settings: LocalSettings | null }>();

/** The first transaction that `work` begins has these settings from its first statement on. */
export function openingWith<T>(settings: LocalSettings, work: () => Promise<T>): Promise<T> {
  return opening.run({ settings }, work);
}

/**
 * Postgres, with a transaction begun, and its settings made, in the round trip of its first statement: most transactions
 * have few statements, and each round trip is a good part of what they cost. Its pool's clients are to pipeline.
 */
export class TenantDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig;

  constructor(config: PostgresDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new TenantDriver(this.#config);
  }
}

class TenantDriver extends PostgresDriver {
  readonly #beginning = new WeakMap<DatabaseConnection, Promise<unknown>>();

  /** Nobody waits for it: where it fails, there is no transaction that anything could be seen or committed in. */
  override async beginTransaction(
    connection: DatabaseConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    const next = opening.getStore();
    if (!next?.settings) return super.beginTransaction(connection, settings);
    const statement = `begin; ${settingStatement(next.settings)}`;
    next.settings = null;
    const begun = connection.executeQuery(CompiledQuery.raw(statement));
    begun.catch(() => undefined); // thrown by the commit, where no statement behind it failed first
    this.#beginning.set(connection, begun);
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const begun = this.#beginning.get(connection);
    this.#beginning.delete(connection);
    await begun;
    await super.commitTransaction(connection);
  }
}

/** What a statement answers, by its builder. */
export interface Statement<Row> {
  compile(executor: QueryExecutorProvider): CompiledQuery<Row>;
}

/**
 * Sends statements together that don't wait for one another's answers: one round trip for all. They run in this order.
 * @param before statements that run before them, whose answers nobody needs
 * @returns the rows of each; throws what the first that failed threw
 */
export async function atOnce<Rows extends readonly unknown[]>(
  tx: QueryExecutorProvider,
  statements: { readonly [Place in keyof Rows]: Statement<Rows[Place]> },
  before: readonly Statement<unknown>[] = [],
): Promise<{ -readonly [Place in keyof Rows]: Rows[Place][] }> {
  const all: Statement<unknown>[] = [...before, ...statements];
  const answers = await tx
    .getExecutor()
    .provideConnection((connection) =>
      Promise.allSettled(all.map((statement) => connection.executeQuery(statement.compile(tx)))),
    );
  const rows = answers.map((answer) => {
    if (answer.status === 'rejected') throw answer.reason;
    return answer.value.rows;
  });
  return rows.slice(before.length) as { -readonly [Place in keyof Rows]: Rows[Place][] }; // as they were given
}

/**
 * A whole transaction in one round trip: begun with these settings, run and committed before the first answer is read, so
 * that nobody waits for a lock of it longer than Postgres needs.
 * @returns the rows of each statement; throws what the first that failed threw, and nothing of it is kept
 */
export async function wholeAtOnce(
  db: QueryExecutorProvider,
  settings: LocalSettings,
  statements: readonly Statement<unknown>[],
): Promise<unknown[][]> {
  const begin = CompiledQuery.raw(`begin; ${settingStatement(settings)}`);
  const all = [begin, ...statements.map((one) => one.compile(db)), CompiledQuery.raw('commit')];
  const answers = await db
    .getExecutor()
    .provideConnection((connection) =>
      Promise.allSettled(all.map((query) => connection.executeQuery(query))),
    );
  const rows = answers.map((answer) => {
    if (answer.status === 'rejected') throw answer.reason;
    return answer.value.rows;
  });
  return rows.slice(1, -1);
}

/** Without parameters, so that it travels in one message with `begin`; the values are quoted by pg. */
function settingStatement(settings: LocalSettings): string {
  const calls = Object.entries(settings)
    .filter((entry): entry is [string, string] => entry[1] !== null)
    .map(
      ([name, value]) => `set_config(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)}, true)`,
    );
  return `select ${calls.join(', ')}`;
}
