import type { Client } from '@temporalio/client';
import type { Deps } from '../activities/deps.ts';
import { ConfigError, type Config } from '../config/config.ts';
import { connect, inTenant } from '../db/connection.ts';
import { tenantSettings } from '../db/queries/tenants.ts';
import { RightOfWay } from '../domain/right-of-way.ts';
import { KeyRing } from '../security/key-ring.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';
import { gaveWay } from '../telemetry/metrics.ts';
import { TenantNetworks } from './tenant-networks.ts';
import { createClient } from './temporal/connection.ts';
import { TemporalRelay } from './temporal/relay.ts';

export interface OpenDeps extends Deps {
  readonly client: Client;
  readonly relay: TemporalRelay;
  close(): Promise<void>;
}

/**
 * Opens what every process needs: database, key ring, Temporal client, the guarded way out. Nothing here waits for a
 * server: the doors take mail while Temporal is away.
 */
export function openDeps(config: Config, log: Logger = createLogger(config.logLevel)): OpenDeps {
  if (!config.databaseUrl)
    throw new ConfigError('DATABASE_URL is missing: it names the Postgres to work on.');
  if (!config.temporal.address)
    throw new ConfigError(
      'TEMPORAL_ADDRESS is missing: it names the Temporal frontend, host:port.',
    );
  if (!config.masterKey)
    throw new ConfigError(
      'POSTROOM_MASTER_KEY is missing: 32 random bytes in base64 (`openssl rand -base64 32`).',
    );
  const db = connect({ url: config.databaseUrl, poolSize: config.databasePool, log });
  const keys = KeyRing.parse(config.masterKey);
  const client = createClient(config.temporal, keys);
  const relay = new TemporalRelay(client, db, config.temporal, log);
  const networks = new TenantNetworks(async (tenantId) => {
    const settings = await inTenant(db, tenantId, (tx) => tenantSettings(tx, tenantId));
    return [...config.allowPrivateTargets, ...settings.allow_private_targets];
  });
  return {
    config,
    db,
    keys,
    client,
    relay,
    log,
    way: new RightOfWay((ms) => gaveWay.inc(ms / 1000)),
    network: (tenantId) => networks.of(tenantId),
    async close() {
      relay.close();
      networks.close();
      await client.connection.close();
      await db.destroy();
    },
  };
}
