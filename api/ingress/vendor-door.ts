import express, { type Request, type RequestHandler } from 'express';
import { storedChannelCall } from '../../db/channel-call.ts';
import { stageSource } from '../../db/queries/sources.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import {
  DoorRefusal,
  type ChannelProvider,
  type DoorCapability,
  type DoorReceipt,
  type DoorRequest,
} from '../../providers/contract.ts';
import { sourcesAccepted } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { notFound, Problem } from '../problem.ts';
import { doorChannel, refused, refuseStopped, tokenMatches } from './channel.ts';

/** Vendors give up after about ten seconds. */
const RECEIVE_MS = 10_000;

type FindProvider = (nameOrAlias: string) => ChannelProvider | undefined;

interface DoorParams {
  readonly provider: string;
  readonly channelId: string;
}

/** Reads the whole body, as bytes: a vendor signs what it sent and not what a parser makes of it. */
export function wholeBody(deps: ApiDeps, find: FindProvider): RequestHandler<DoorParams> {
  return (req, res, next) => {
    res.locals.route = '/ingress/{provider}/{channel_id}';
    const most = deps.config.smtp.maxBytes;
    const limit = Math.min(doorOf(req.params.provider, find).door.maxBytes ?? most, most);
    express.raw({ type: () => true, limit })(req, res, next);
  };
}

/** A vendor's own webhook: verified, then its sources stored, then the channel's workflow nudged. */
export function vendorDoor(deps: ApiDeps, find: FindProvider): RequestHandler<DoorParams> {
  return async (req, res) => {
    const { provider, door } = doorOf(req.params.provider, find);
    const channel = await doorChannel(deps, provider.manifest.name, req.params.channelId);
    const request = doorRequest(req);
    const receipt = await receive(deps, provider, door, channel, request);
    await stage(deps, channel, receipt, request.receivedAt);
    if (!receipt.answer) res.status(200).json({ accepted: receipt.sources.length });
    else
      res
        .status(receipt.answer.status)
        .set('Content-Type', receipt.answer.contentType)
        .send(Buffer.from(receipt.answer.body));
  };
}

async function receive(
  deps: ApiDeps,
  provider: ChannelProvider,
  door: DoorCapability<unknown>,
  channel: LoadedChannel,
  request: DoorRequest,
): Promise<DoorReceipt> {
  const call = await storedChannelCall(deps, provider, channel, {
    signal: AbortSignal.timeout(RECEIVE_MS),
  });
  try {
    await door.verify(request, call, (token) => tokenMatches(channel, token));
    refuseStopped(channel);
    return await door.receive(request, call);
  } catch (error) {
    if (!(error instanceof DoorRefusal)) throw error;
    // Said shortly: a forger learns nothing from it. The reason is in the log and the count.
    call.log.warn({ code: error.code, reason: error.message }, 'a door refused a call');
    throw refused(
      provider.manifest.name,
      new Problem(error.status, 'refused', 'This call is not let in.'),
      error.code,
    );
  }
}

async function stage(
  deps: ApiDeps,
  { facts, provider }: LoadedChannel,
  { sources, statuses = [] }: DoorReceipt,
  receivedAt: Date,
): Promise<void> {
  for (const source of sources) {
    const { pending } = await stageSource(
      deps.db,
      { id: facts.id, tenantId: facts.tenantId, provider },
      { receivedAt, ...source },
    );
    sourcesAccepted.inc({ provider });
    await deps.relay.flush(pending);
  }
  if (statuses.length > 0)
    throw new Error(`${provider} reports delivery states, which no part of the core applies yet.`);
}

/** @throws Problem 404 where the provider has no door. */
function doorOf(
  name: string,
  findProvider: FindProvider,
): { provider: ChannelProvider; door: DoorCapability<unknown> } {
  const provider = findProvider(name);
  if (!provider?.door) throw notFound('door of provider', name);
  return { provider, door: provider.door };
}

function doorRequest(req: Request<DoorParams>): DoorRequest {
  return {
    method: req.method,
    headers: req.headers,
    query: Object.fromEntries(new URL(req.originalUrl, 'http://door.invalid').searchParams),
    body: Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0),
    receivedAt: new Date(),
  };
}
