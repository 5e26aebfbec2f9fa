import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../../db/migrate.ts';
import { freePort } from '../../embedded/ports.ts';
import { startPostgres, type EmbeddedPostgres } from '../../embedded/postgres.ts';
import { silentProgress } from '../../embedded/progress.ts';
import { findTemporal } from '../../embedded/temporal-binary.ts';
import { startTemporal, type EmbeddedTemporal } from '../../embedded/temporal.ts';

/** What test files learn of the servers they share. */
export interface PostgresPart {
  /** Address of the maintenance database, as superuser. */
  readonly adminUrl: string;
  /** A migrated database to make others from. */
  readonly template: string;
}
export interface TemporalPart {
  readonly address: string;
}

export interface Parts {
  /** Where test files ask for a part; it is started at the first question. */
  readonly url: string;
  stop(): Promise<void>;
}

const TEMPLATE = 'postroom_template';

/** Offers one Postgres and one Temporal server to all test files of a run. */
export async function offerParts(): Promise<Parts> {
  const home = mkdtempSync(join(tmpdir(), 'postroom-test-'));
  const running: (EmbeddedPostgres | EmbeddedTemporal)[] = [];
  const postgres = once(async (): Promise<PostgresPart> => {
    const server = await startPostgres({
      home,
      port: 0,
      settings: {
        fsync: 'off',
        full_page_writes: 'off',
        max_connections: '400',
        autovacuum_naptime: '60s', // a database for each test file: looked at so often, they cost much
      },
    });
    running.push(server);
    await server.ensureDatabase(TEMPLATE);
    await migrate(server.url(TEMPLATE));
    return { adminUrl: server.url('postgres'), template: TEMPLATE };
  });
  const temporal = once(async (): Promise<TemporalPart> => {
    const binary = await findTemporal(process.env, silentProgress);
    const server = await startTemporal({
      binary,
      home,
      port: 0,
      namespace: 'default',
      // A tenth of the usual: tests reach it in seconds, and long ones pass it without being asked.
      dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 400 },
    });
    running.push(server);
    return { address: server.address };
  });
  const parts: Readonly<Record<string, () => Promise<PostgresPart | TemporalPart>>> = {
    '/postgres': postgres,
    '/temporal': temporal,
  };

  const port = await freePort();
  const door = createServer((request, response) => {
    // A connection kept open is closed here just as a busy test process takes it up again.
    response.setHeader('connection', 'close');
    const part = parts[request.url ?? ''];
    if (part === undefined) {
      response.writeHead(404).end();
      return;
    }
    part().then(
      (answer) => response.writeHead(200).end(JSON.stringify(answer)),
      (error: unknown) =>
        response.writeHead(500).end(error instanceof Error ? error.stack : String(error)),
    );
  });
  await new Promise<void>((done) => door.listen(port, '127.0.0.1', done));

  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      door.closeAllConnections();
      door.close();
      await Promise.all(running.map((server) => server.stop()));
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Asks the run's part server, from a test file. */
export async function askForPart<T extends PostgresPart | TemporalPart>(
  name: 'postgres' | 'temporal',
): Promise<T> {
  const url = process.env.POSTROOM_TEST_PARTS;
  if (!url) throw new Error('jest.config.js was not used: the shared test servers are unknown.');
  const response = await fetch(`${url}/${name}`);
  const body = await response.text();
  if (!response.ok) throw new Error(`The shared ${name} server did not start: ${body}`);
  return JSON.parse(body) as T; // the shape is the one this file sends
}

/** Runs one statement on a connection of its own. */
export async function runSql(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
