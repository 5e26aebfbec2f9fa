import { loadChannel, type LoadedChannel } from '../../db/queries/channels.ts';
import { resolveChannel } from '../../db/queries/channel-resolve.ts';
import { hashSecret, sameHash } from '../../security/api-key.ts';
import { doorRefusals } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { conflict, notFound, type Problem } from '../problem.ts';

/** The channel behind a door's address. @throws Problem 404 where it is none of this provider's. */
export async function doorChannel(
  { db, keys }: ApiDeps,
  provider: string,
  channelId: string,
): Promise<LoadedChannel> {
  const tenantId = await resolveChannel(db, channelId);
  const channel = tenantId && (await loadChannel(db, keys, tenantId, channelId));
  if (!channel || channel.provider !== provider)
    throw refused(provider, notFound('door', channelId));
  return channel;
}

/** A stopped channel's door is shut; a paused one's is open, and what comes is kept. @throws Problem 409 */
export function refuseStopped({ provider, desiredState }: LoadedChannel): void {
  if (desiredState !== 'stopped') return;
  throw refused(
    provider,
    conflict('channel_stopped', 'This channel is stopped and takes nothing; start it first.'),
  );
}

export function tokenMatches(channel: LoadedChannel, token: string): boolean {
  return channel.ingressTokenHash !== null && sameHash(channel.ingressTokenHash, hashSecret(token));
}

/** Counts a call that a door does not let in. */
export function refused(provider: string, problem: Problem, code = problem.code): Problem {
  doorRefusals.inc({ provider, code });
  return problem;
}
