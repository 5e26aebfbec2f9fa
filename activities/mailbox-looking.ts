import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import type { MailboxCapability } from '../providers/contract.ts';

/** Between two signs of life. */
const LONGEST_SLEEP_MS = 10_000;

/**
 * Waits for mail where a provider has no way of its own: looks beyond the cursor now and then, and takes nothing. What
 * there is the sync that follows fetches, from the same cursor.
 */
export function lookingEvery(
  seconds: number,
  mailbox: MailboxCapability<unknown>,
): NonNullable<MailboxCapability<unknown>['wait']> {
  return async (call, folder, cursor, untilMs) => {
    for (;;) {
      const next = Math.min(Date.now() + seconds * 1000, untilMs);
      while (Date.now() < next) {
        call.heartbeat();
        const left = Math.min(LONGEST_SLEEP_MS, next - Date.now());
        await sleep(Math.max(0, left), undefined, { signal: call.signal });
      }
      if (Date.now() >= untilMs) return 'timeout';
      for await (const { items } of mailbox.fetch(call, folder, cursor)) {
        for (const { source } of items) if (source instanceof Readable) source.destroy();
        if (items.length > 0) return 'mail';
      }
    }
  };
}
