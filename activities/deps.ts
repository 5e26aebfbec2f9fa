import type { Config } from '../config/config.ts';
import type { Db } from '../db/connection.ts';
import type { TenantId } from '../domain/ids.ts';
import type { GuardedNetwork } from '../security/ssrf-guard.ts';
import type { RightOfWay } from '../domain/right-of-way.ts';
import type { KeyRing } from '../security/key-ring.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Relay } from '../workflows/contracts/relay.ts';

/** What every room that acts is given; made once per process in workers/ and api/. */
export interface Deps {
  readonly config: Config;
  readonly db: Db;
  readonly keys: KeyRing;
  readonly relay: Relay;
  /** The guarded way out for one tenant (its allow-list added to the installation's). */
  readonly network: (tenantId: TenantId) => Promise<GuardedNetwork>;
  readonly log: Logger;
  /** By which work on what this process' doors took gives way to their answers. */
  readonly way: RightOfWay;
}
