import { randomBytes } from 'node:crypto';
import { askForPart, runSql, type PostgresPart } from './parts.ts';

export interface TestDatabase {
  readonly name: string;
  /** Connection address as superuser; `connect()` of db/connection.ts takes the product's role. */
  readonly url: string;
}

/** A migrated, empty database for the calling test file alone (about 50 ms). */
export async function testDatabase(): Promise<TestDatabase> {
  const { adminUrl, template } = await askForPart<PostgresPart>('postgres');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runSql(adminUrl, `create database ${name} template ${template}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { name, url: url.href };
}
