import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/config.ts';
import type { Db } from '../db/connection.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import type { SourceId, TenantId } from '../domain/ids.ts';
import type { RightOfWay } from '../domain/right-of-way.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Relay } from '../workflows/contracts/relay.ts';

/** What the API is given by the process that starts it. */
export interface ApiDeps {
  readonly config: Config;
  readonly db: Db;
  readonly keys: KeyRing;
  readonly relay: Relay;
  readonly network: (tenantId: TenantId) => Promise<GuardedNetwork>;
  readonly log: Logger;
  /** By which work on what this process' doors took gives way to their answers. */
  readonly way: RightOfWay;
  /** What `/readyz` names beside the database: Temporal, the workers' pollers. */
  readonly readiness?: () => Promise<ReadinessPart[]>;
  /** Decrypts payloads for the Temporal UI, under `/codec`. */
  readonly codec?: (req: IncomingMessage, res: ServerResponse) => void;
  /** Ingests one staged source at once, for doors whose caller waits; left out, they answer "accepted". */
  readonly ingestNow?: (channel: LoadedChannel, sourceId: SourceId) => Promise<void>;
  /** Checks every answer against its schema, and fails where they differ: for tests. */
  readonly checkAnswers?: boolean;
}

export interface ReadinessPart {
  /** `temporal`, `worker tickets` … */
  readonly name: string;
  readonly ok: boolean;
  /** Plain words: what is wrong and how to mend it; empty where nothing is. */
  readonly detail: string;
}
