import { readCursor } from '../db/queries/sources.ts';
import type { MailboxWaitActivities } from '../workflows/contracts/mailbox-activities.ts';
import type { Deps } from './deps.ts';
import { providerErrors } from './failures.ts';
import { callOf, load, pollSeconds, providerOf } from './mailbox-call.ts';
import { lookingEvery } from './mailbox-looking.ts';
import type { ProviderOptions } from './provider-options.ts';

/** On a queue of its own: a wait may last for hours. */
export function createMailboxWaitActivities(
  deps: Deps,
  options: ProviderOptions = {},
): MailboxWaitActivities {
  return {
    async waitForMail(ref, seconds) {
      return providerErrors(
        async () => {
          const channel = await load(deps, ref);
          if (channel?.desiredState !== 'running') return 'timeout';
          const provider = providerOf(channel, options);
          const mailbox = provider.mailbox;
          if (!mailbox) return 'timeout';
          const wait = mailbox.wait ?? lookingEvery(pollSeconds(channel), mailbox);
          const stop = new AbortController();
          const call = await callOf(deps, provider, channel, stop.signal);
          const until = Date.now() + seconds * 1000;
          const waits = mailbox.folders(call.settings).map(async (folder) => {
            const cursor = await readCursor(
              deps.db,
              channel.facts.tenantId,
              channel.facts.id,
              folder,
            );
            return wait(call, folder, cursor, until);
          });
          try {
            return await Promise.race(waits);
          } finally {
            stop.abort();
            await Promise.allSettled(waits);
          }
        },
        { once: true },
      );
    },
  };
}
