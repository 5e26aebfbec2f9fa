import { AsyncLocalStorage } from 'node:async_hooks';
import {
  CompiledQuery,
  PostgresDialect,
  PostgresDriver,
  type DatabaseConnection,
  type Driver,
  type PostgresDialectConfig,
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
 * Postgres, with a transaction's settings made in the round trip that begins it: most transactions have few
 * statements, and each round trip is a good part of what they cost.
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
  override async beginTransaction(
    connection: DatabaseConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    const next = opening.getStore();
    if (!next?.settings) return super.beginTransaction(connection, settings);
    const statement = `begin; ${settingStatement(next.settings)}`;
    next.settings = null;
    await connection.executeQuery(CompiledQuery.raw(statement));
  }
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
