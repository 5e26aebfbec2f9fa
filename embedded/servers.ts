import type { Config } from '../config/config.ts';
import { KeyRing } from '../security/key-ring.ts';
import { codecToken } from '../workers/temporal/codec-server.ts';
import { masterKey } from './master-key.ts';
import { freePort, requireFreePort } from './ports.ts';
import { startPostgres } from './postgres.ts';
import type { Progress } from './progress.ts';
import { findTemporal } from './temporal-binary.ts';
import { startTemporal } from './temporal.ts';
import type { Tethered } from './tether.ts';

/** An embedded server that runs; its unexpected end is the product's. */
export type EmbeddedServer = Pick<Tethered, 'exited' | 'stop' | 'logTail'> & {
  readonly name: string;
};

/** The configuration with every address and key filled in, as production would have it. */
export type ProductConfig = Config & {
  readonly databaseUrl: string;
  readonly masterKey: string;
  readonly temporal: Config['temporal'] & { readonly address: string };
};

export interface Servers {
  readonly config: ProductConfig;
  readonly servers: readonly EmbeddedServer[];
}

const DATABASE = 'postroom';

/**
 * Starts what is not configured: Postgres where DATABASE_URL is missing, Temporal where
 * TEMPORAL_ADDRESS is. The home's lock is held by the caller.
 * @throws PortTaken, NoTemporal, Error
 */
export async function startServers(given: Config, progress: Progress): Promise<Servers> {
  const key = masterKey(given);
  const config = await withPorts(given);
  const [database, temporal] = await Promise.allSettled([
    embeddedDatabase(config, progress),
    embeddedTemporal(config, key, progress),
  ]);
  const servers = [database, temporal].flatMap((outcome) =>
    outcome.status === 'fulfilled' && outcome.value.server ? [outcome.value.server] : [],
  );
  if (database.status === 'rejected' || temporal.status === 'rejected') {
    await Promise.all(servers.map((server) => server.stop()));
    const failed = database.status === 'rejected' ? database : temporal;
    throw (failed as PromiseRejectedResult).reason; // one of the two was, by the line above
  }
  return {
    servers,
    config: {
      ...config,
      masterKey: key,
      databaseUrl: database.value.url,
      temporal: { ...config.temporal, ...temporal.value.target },
    },
  };
}

/** Chosen ports checked, and 0 replaced by a free one, before anything is started. */
async function withPorts(given: Config): Promise<Config> {
  const checks: [number, string, string][] = [
    [given.apiPort, 'POSTROOM_API_PORT', 'the API'],
    [given.smtp.port, 'POSTROOM_SMTP_PORT', 'the mail door'],
  ];
  for (const [port, variable, use] of checks)
    await requireFreePort(given.host, port, variable, use);
  const apiPort = given.apiPort || (await freePort(given.host));
  const publicUrl = given.environment.POSTROOM_PUBLIC_URL
    ? given.publicUrl
    : `http://${given.host}:${apiPort}`;
  const smtp = { ...given.smtp, port: given.smtp.port || (await freePort(given.host)) };
  return { ...given, apiPort, publicUrl, smtp };
}

interface Database {
  readonly url: string;
  readonly server?: EmbeddedServer;
}

async function embeddedDatabase(config: Config, progress: Progress): Promise<Database> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl };
  await requireFreePort('127.0.0.1', config.postgresPort, 'POSTROOM_POSTGRES_PORT', 'Postgres');
  const server = await progress.step('Starting Postgres', () =>
    startPostgres({ home: config.home, port: config.postgresPort }),
  );
  await server.ensureDatabase(DATABASE);
  return { url: server.url(DATABASE), server: { ...server, name: 'Postgres' } };
}

interface Temporal {
  readonly target: { readonly address: string; readonly uiUrl?: string };
  readonly server?: EmbeddedServer;
}

async function embeddedTemporal(
  config: Config,
  key: string,
  progress: Progress,
): Promise<Temporal> {
  if (config.temporal.address !== undefined)
    return { target: { address: config.temporal.address } };
  const { temporalPort: port, temporalUiPort: uiPort } = config;
  await requireFreePort('127.0.0.1', port, 'POSTROOM_TEMPORAL_PORT', 'the Temporal server');
  await requireFreePort('127.0.0.1', uiPort, 'POSTROOM_TEMPORAL_UI_PORT', 'the Temporal UI');
  const binary = await findTemporal(config.environment, progress);
  const server = await progress.step('Starting the Temporal server', () =>
    startTemporal({
      binary,
      home: config.home,
      port,
      uiPort,
      namespace: config.temporal.namespace,
      codecEndpoint: `${config.publicUrl}/codec/${codecToken(KeyRing.parse(key))}`,
    }),
  );
  const uiUrl = config.environment.POSTROOM_TEMPORAL_UI_URL
    ? config.temporal.uiUrl
    : (server.uiUrl ?? config.temporal.uiUrl);
  return { target: { address: server.address, uiUrl }, server: { ...server, name: 'Temporal' } };
}
