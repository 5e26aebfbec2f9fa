import { Context } from '@temporalio/activity';
import { sweepUnfinishedBlobs } from '../db/queries/blobs.ts';
import { sweepCommands } from '../db/queries/commands.ts';
import { sweepContactLinks } from '../db/queries/contact-links.ts';
import { sweepEarlyStatuses } from '../db/queries/delivery-statuses.ts';
import { sweepIdempotencyKeys } from '../db/queries/idempotency.ts';
import { sweepStates } from '../db/queries/oauth-states.ts';
import { tenantIds } from '../db/queries/tenants.ts';
import type { Deps } from './deps.ts';

export interface Swept {
  readonly tenants: number;
  /** Commands whose answers are no longer kept. */
  readonly commands: number;
}

export interface SweepActivities {
  /** Removes what is kept for a day: answers to Idempotency-Keys, applied commands, unfinished uploads, unclaimed states and links. */
  sweepAll(): Promise<Swept>;
}

/** Each tenant by itself: what was done before a kill is done, and doing it again does nothing. */
export function createSweepActivities({ db }: Pick<Deps, 'db'>): SweepActivities {
  return {
    async sweepAll() {
      const context = Context.current();
      const tenants = await tenantIds(db);
      let commands = 0;
      for (const tenantId of tenants) {
        context.heartbeat();
        context.cancellationSignal.throwIfAborted();
        await sweepIdempotencyKeys(db, tenantId);
        await sweepUnfinishedBlobs(db, tenantId);
        await sweepEarlyStatuses(db, tenantId);
        await sweepStates(db, tenantId);
        await sweepContactLinks(db, tenantId);
        commands += await sweepCommands(db, tenantId);
      }
      return { tenants: tenants.length, commands };
    },
  };
}
