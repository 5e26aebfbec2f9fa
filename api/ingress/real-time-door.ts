import express, { type RequestHandler } from 'express';
import { assertNever } from '../../domain/assert-never.ts';
import { storedChannelCall } from '../../db/channel-call.ts';
import { loadChannel, type LoadedChannel } from '../../db/queries/channels.ts';
import { resolveIngressToken } from '../../db/queries/channel-resolve.ts';
import { sourceStanding, type SourceStanding } from '../../db/queries/source-outcome.ts';
import { stageSource } from '../../db/queries/sources.ts';
import type { SourceId } from '../../domain/ids.ts';
import {
  UnreadableCall,
  type ChannelProvider,
  type RealTimeDoor,
  type SourceOutcome,
} from '../../providers/contract.ts';
import { findProvider, providers } from '../../providers/registry.ts';
import { hashSecret } from '../../security/api-key.ts';
import { sourcesAccepted, sourcesFiltered } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { invalid, Problem } from '../problem.ts';
import { refused, refuseStopped } from './channel.ts';
import { doorRequest } from './door-call.ts';

/** How long a caller waits for what becomes of its mail; then it is told that it is stored. */
const PROCESS_MS = 8_000;

export function realTimeDoors(): RealTimeDoor<unknown>[] {
  return providers.flatMap(({ realTime }) => realTime ?? []);
}

export function wholeMail({ config }: ApiDeps, { name }: RealTimeDoor<unknown>): RequestHandler {
  const read = express.raw({ type: () => true, limit: config.smtp.maxBytes });
  return (req, res, next) => {
    res.locals.route = `/ingress/${name}`;
    read(req, res, next);
  };
}

/**
 * A door at one address for all channels: the token names the channel, the mail is stored, then ingested within the
 * call. Whatever happens after storing, the mail's own workflow brings it to its end.
 */
export function realTimeDoor(deps: ApiDeps, door: RealTimeDoor<unknown>): RequestHandler {
  return async (req, res) => {
    const channel = await channelOfToken(deps, door, req.get('authorization'));
    refuseStopped(channel);
    const provider = findProvider(channel.provider)!; // channelOfToken found it
    const signal = AbortSignal.timeout(PROCESS_MS);
    const call = await storedChannelCall(deps, provider, channel, { signal });
    const receipt = await readable(() => door.receive(doorRequest(req), call));
    const { tenantId, id } = channel.facts;
    const { sourceId, pending } = await stageSource(
      deps.db,
      { tenantId, id, provider: channel.provider },
      { receivedAt: new Date(), ...receipt },
    );
    sourcesAccepted.inc({ provider: channel.provider });
    if (receipt.turnedAway !== undefined)
      sourcesFiltered.inc({ provider: channel.provider, by: 'door' });
    else if (channel.desiredState === 'running')
      await ingestInTime(deps, channel, sourceId, signal);
    await deps.relay.flush(pending);
    const standing = await sourceStanding(deps.db, tenantId, sourceId);
    const { status, body } = door.conclude(outcomeOf(standing, sourceId));
    res.status(status).json(body);
  };
}

/** @throws Problem 401, the same whatever is wrong with the token */
async function channelOfToken(
  { db, keys }: ApiDeps,
  door: RealTimeDoor<unknown>,
  authorization: string | undefined,
): Promise<LoadedChannel> {
  const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  const found = token === undefined ? null : await resolveIngressToken(db, hashSecret(token));
  const channel = found && (await loadChannel(db, keys, found.tenantId, found.channelId));
  if (channel && realTimeOf(findProvider(channel.provider)) === door) return channel;
  throw refused(
    door.name,
    new Problem(
      401,
      'unauthorized',
      'Send the ingress_token of a channel whose mail comes by this door: `Authorization: Bearer prt_…`.',
      { headers: { 'WWW-Authenticate': 'Bearer realm="ingress"' } },
    ),
  );
}

function realTimeOf(provider: ChannelProvider | undefined): RealTimeDoor<unknown> | undefined {
  return provider?.realTime;
}

/** @throws Problem 422 where an authentic call makes no sense */
async function readable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnreadableCall)) throw error;
    throw invalid(error.message, error.fields);
  }
}

/** Waits until the source is ingested or the time is up; what fails or lasts longer is left to the channel's workflow. */
async function ingestInTime(
  { ingestNow, log }: ApiDeps,
  channel: LoadedChannel,
  sourceId: SourceId,
  signal: AbortSignal,
): Promise<void> {
  if (!ingestNow) return;
  const late = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const ingested = ingestNow(channel, sourceId).catch((error: unknown) => {
    log.warn(
      { err: error, source: sourceId },
      'a mail of the real-time door is left to its workflow',
    );
  });
  await Promise.race([ingested, late]);
}

const EFFECTS = {
  create: 'created',
  new_reply: 'joined',
  join: 'joined',
  reopen: 'reopened',
  none: 'none',
} as const;

function outcomeOf(standing: SourceStanding, sourceId: SourceId): SourceOutcome {
  switch (standing.status) {
    case 'staged':
      return { state: 'accepted', sourceId };
    case 'filtered':
      return { state: 'filtered' };
    case 'set_aside':
      return { state: 'set_aside', sourceId };
    case 'ingested': {
      const { messageId, ticket, effect } = standing;
      return { state: 'processed', messageId, ticket, effect: EFFECTS[effect] };
    }
    default:
      return assertNever(standing);
  }
}
