import express, { type Request, type RequestHandler, type Response } from 'express';
import { storedChannelCall } from '../../db/channel-call.ts';
import { stageSource } from '../../db/queries/sources.ts';
import { noteNews, type LoadedChannel } from '../../db/queries/channels.ts';
import { applyStatuses } from '../../db/queries/delivery-statuses.ts';
import {
  DoorRefusal,
  type ChannelProvider,
  type DoorCapability,
  type DoorReceipt,
  type DoorRequest,
  type ProviderCall,
} from '../../providers/contract.ts';
import { sourcesAccepted } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { notFound, Problem } from '../problem.ts';
import { doorChannel, refused, refuseStopped, tokenMatches } from './channel.ts';

/** Vendors give up after about ten seconds. */
const RECEIVE_MS = 10_000;

/** A call may carry the same mail twice, as it came and in pieces, each in base64. */
const WRAPPED = 3;

export type FindProvider = (nameOrAlias: string) => ChannelProvider | undefined;

interface DoorParams {
  readonly provider: string;
  readonly channelId: string;
}

/** Reads the whole body, as bytes: a vendor signs what it sent and not what a parser makes of it. */
export function wholeBody(
  deps: ApiDeps,
  find: FindProvider,
  route = '/ingress/{provider}/{channel_id}',
): RequestHandler<Pick<DoorParams, 'provider'>> {
  return (req, res, next) => {
    res.locals.route = route;
    const most = deps.config.smtp.maxBytes;
    const { maxBytes = most } = doorOf(req.params.provider, find).door;
    const limit = Math.min(maxBytes, most * WRAPPED);
    express.raw({ type: () => true, limit })(req, res, next);
  };
}

/** A vendor's own webhook: verified, then its sources stored, then the channel's workflow nudged. */
export function vendorDoor(deps: ApiDeps, find: FindProvider): RequestHandler<DoorParams> {
  return async (req, res) => {
    const { provider, door } = doorOf(req.params.provider, find);
    const channel = await doorChannel(deps, provider.manifest.name, req.params.channelId);
    const request = doorRequest(req);
    const call = await believedCall(deps, provider, door, channel, request);
    refuseStopped(channel);
    const receipt = await receive(provider, door, call, request);
    await store(deps, channel, receipt, request.receivedAt);
    answer(res, receipt, receipt.sources.length);
  };
}

/** The call of a channel by whose settings the request is authentic. @throws Problem, counted, where it is not */
export async function believedCall(
  deps: ApiDeps,
  provider: ChannelProvider,
  door: DoorCapability<unknown>,
  channel: LoadedChannel,
  request: DoorRequest,
): Promise<ProviderCall<unknown>> {
  const call = await storedChannelCall(deps, provider, channel, {
    signal: AbortSignal.timeout(RECEIVE_MS),
  });
  await letIn(provider, call, async () =>
    door.verify(request, call, (token) => tokenMatches(channel, token)),
  );
  return call;
}

/** What an authentic request brings. @throws Problem, counted, where it makes no sense */
export async function receive(
  provider: ChannelProvider,
  door: DoorCapability<unknown>,
  call: ProviderCall<unknown>,
  request: DoorRequest,
): Promise<DoorReceipt> {
  return letIn(provider, call, () => door.receive(request, call));
}

/** A refusal is said shortly: a forger learns nothing from it. The reason is in the log and the count. */
async function letIn<T>(
  { manifest }: ChannelProvider,
  { log }: ProviderCall<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DoorRefusal)) throw error;
    log.warn({ code: error.code, reason: error.message }, 'a door refused a call');
    throw refusal(manifest.name, error);
  }
}

export function refusal(provider: string, { status, code }: DoorRefusal): Problem {
  return refused(provider, new Problem(status, 'refused', 'This call is not let in.'), code);
}

/** Stores all of it, or throws: then the vendor is asked to call again, and what is stored already is a repeat. */
export async function store(
  deps: ApiDeps,
  { facts, provider }: LoadedChannel,
  { sources, statuses = [], news }: DoorReceipt,
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
  await deps.relay.flush(await applyStatuses(deps.db, facts.tenantId, facts.id, statuses));
  if (news) await deps.relay.flush(await noteNews(deps.db, facts, provider, news));
}

export function answer(res: Response, receipt: DoorReceipt | undefined, accepted: number): void {
  if (!receipt?.answer) res.status(200).json({ accepted });
  else
    res
      .status(receipt.answer.status)
      .set('Content-Type', receipt.answer.contentType)
      .send(Buffer.from(receipt.answer.body));
}

/** @throws Problem 404 where the provider has no door. */
export function doorOf(
  name: string,
  findProvider: FindProvider,
): { provider: ChannelProvider; door: DoorCapability<unknown> } {
  const provider = findProvider(name);
  if (!provider?.door) throw notFound('door of provider', name);
  return { provider, door: provider.door };
}

export function doorRequest(
  req: Pick<Request, 'method' | 'headers' | 'originalUrl' | 'body'>,
): DoorRequest {
  return {
    method: req.method,
    headers: req.headers,
    query: Object.fromEntries(new URL(req.originalUrl, 'http://door.invalid').searchParams),
    body: Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0),
    receivedAt: new Date(),
  };
}
