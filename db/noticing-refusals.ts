import type { VendorRequestKind } from '../domain/refusal.ts';
import { classified } from '../providers/classified.ts';
import type { Relay } from '../workflows/contracts/relay.ts';
import type { Db } from './connection.ts';
import { forgetRefusal, noteRefusal } from './queries/channel-refusals.ts';
import type { LoadedChannel } from './queries/channels.ts';

/**
 * Asks a channel's vendor for something. A refusal that only an admin can mend is noted with the channel, before it goes on
 * to the caller, and success where it had been refused takes that note away: whoever asks, the channel's status says so.
 */
export async function noticingRefusals<T>(
  { db, relay }: { readonly db: Db; readonly relay: Relay },
  channel: Pick<LoadedChannel, 'facts' | 'refusals' | 'version'>,
  kind: VendorRequestKind,
  ask: () => Promise<T>,
): Promise<T> {
  let answer: T;
  try {
    answer = await ask();
  } catch (error) {
    const failure = classified(error);
    if (failure?.class === 'reauthenticate')
      await relay.flush(await noteRefusal(db, channel, kind, failure));
    throw error;
  }
  if (channel.refusals[kind]) await relay.flush(await forgetRefusal(db, channel.facts, kind));
  return answer;
}
