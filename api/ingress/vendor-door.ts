import express, { type RequestHandler } from 'express';
import type { ChannelProvider, DoorCapability } from '../../providers/contract.ts';
import type { ApiDeps } from '../deps.ts';
import { notFound } from '../problem.ts';
import { doorChannel, refuseStopped } from './channel.ts';
import type { DoorStore } from './door-store.ts';
import { answer, believedCall, doorRequest, receive } from './door-call.ts';
import { hear, sharedDoorOf, type SharedDoors } from './shared-door.ts';

/** A call may carry the same mail twice, as it came and in pieces, each in base64. */
const WRAPPED = 3;

export type FindProvider = (nameOrAlias: string) => ChannelProvider | undefined;

interface DoorParams {
  readonly provider: string;
  readonly channelId: string;
}

/** Reads the whole body, as bytes: a vendor signs what it sent and not what a parser makes of it. */
export function wholeBody(
  { config }: ApiDeps,
  route: string,
  doorsOf: (name: string) => readonly DoorCapability<unknown>[],
): RequestHandler<Pick<DoorParams, 'provider'>> {
  return (req, res, next) => {
    res.locals.route = route;
    const most = config.smtp.maxBytes;
    const limits = doorsOf(req.params.provider).map(({ maxBytes = most }) => maxBytes);
    const limit = Math.min(Math.max(...limits), most * WRAPPED);
    express.raw({ type: () => true, limit })(req, res, next);
  };
}

/** A vendor's own webhook: verified, then its sources stored; the channel's workflow is nudged after the answer. */
export function vendorDoor(
  deps: ApiDeps,
  find: FindProvider,
  store: DoorStore,
  shared: SharedDoors,
): RequestHandler<DoorParams> {
  return async (req, res) => {
    const { provider, door } = doorOf(req.params.provider, find);
    const channel = await doorChannel(deps, provider.manifest.name, req.params.channelId);
    const request = doorRequest(req);
    const call = await believedCall(deps, provider, door, channel, request);
    refuseStopped(channel);
    // A vendor that has one address for an app's accounts speaks of all of them at a channel's own door too.
    const ofAll = sharedDoorOf(provider, shared);
    if (ofAll && request.method === 'POST') {
      const { accepted, told } = await hear(deps, ofAll, store, request);
      answer(res, told, accepted);
      return;
    }
    const receipt = await receive(deps, provider, door, call, request);
    await store.store(channel, receipt, request.receivedAt);
    answer(res, receipt, receipt.sources.length);
  };
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
