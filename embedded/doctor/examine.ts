import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { connectAsOwner, type OwnerDb } from '../../db/queries/inspection.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { createClient } from '../../workers/temporal/connection.ts';
import { masterKey } from '../master-key.ts';
import { readRunningState } from '../running-state.ts';
import { lookAtDatabase } from './database.ts';
import { lookAtDoors } from './doors.ts';
import { findingsOf, looking, type Finding } from './finding.ts';
import { lookAtMachine } from './machine.ts';
import { lookAtTemporal } from './temporal.ts';
import { lookAtWork } from './work.ts';
import { lookAtWorkflows } from './workflows.ts';

/** What was found, and whatever a fix needs until `close`. */
export interface Examination {
  readonly findings: readonly Finding[];
  readonly close: () => Promise<void>;
}

/**
 * Looks at the installation that the configuration names; where addresses are not configured, at the product running
 * with this home. It changes nothing.
 */
export async function examine(given: Config): Promise<Examination> {
  const running = readRunningState(given.home);
  const databaseUrl = given.databaseUrl ?? running?.databaseUrl;
  const temporal = {
    ...given.temporal,
    address: given.temporal.address ?? running?.temporalAddress,
  };
  const keys = keyRing(given);
  const closing: (() => Promise<void>)[] = [];
  const db = databaseUrl === undefined ? null : connectAsOwner(databaseUrl);
  if (db) closing.push(() => db.destroy());
  const client = temporal.address === undefined ? null : createClient(temporal, keys ?? anyKeys());
  if (client) closing.push(() => client.connection.close());
  const doors = running ?? {
    apiUrl: given.publicUrl,
    smtpHost: given.host,
    smtpPort: given.smtp.port,
  };
  const [machine, database, time, entrances] = await Promise.all([
    lookAtMachine(given.home),
    db ? lookAtDatabase(db) : [notRunning('database', 'DATABASE_URL', given.home)],
    client
      ? lookAtTemporal(client, temporal)
      : [notRunning('temporal', 'TEMPORAL_ADDRESS', given.home)],
    looking('doors', 'doors', () => lookAtDoors(doors)),
  ]);
  const sees = isReachable(database) && database.every(({ check }) => check !== 'sight');
  const work = sees ? await lookAtWork(db as OwnerDb, keys) : [];
  const flows =
    db && client && sees && isReachable(time) ? await lookAtWorkflows(client, db, temporal) : [];
  return {
    findings: [...machine, ...database, ...time, ...entrances, ...work, ...flows],
    async close() {
      for (const end of closing) await end();
    },
  };
}

function isReachable(findings: readonly Finding[]): boolean {
  return findings.some(({ check, state }) => check === 'reachable' && state === 'ok');
}

function notRunning(area: string, variable: string, home: string): Finding {
  return findingsOf(area).broken('reachable', {
    detail: `Nothing runs with the state in ${home}, and ${variable} is not set`,
    cure: `Start the product (\`npm start\`), or set ${variable} (and POSTROOM_HOME where the state is elsewhere).`,
  });
}

/** Never makes a key: the doctor changes nothing. */
function keyRing(config: Config): KeyRing | null {
  if (config.masterKey === undefined && !existsSync(join(config.home, 'master.key'))) return null;
  return KeyRing.parse(masterKey(config));
}

/** For asking Temporal what holds no payload. */
function anyKeys(): KeyRing {
  return KeyRing.parse(KeyRing.generate());
}
