import type { Request, Response } from 'express';
import { storedChannelCall } from '../../db/channel-call.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import {
  DoorRefusal,
  type ChannelProvider,
  type DoorCapability,
  type DoorReceipt,
  type DoorRequest,
  type ProviderCall,
} from '../../providers/contract.ts';
import type { ApiDeps } from '../deps.ts';
import { Problem } from '../problem.ts';
import { refused, tokenMatches } from './channel.ts';

// One call at a door, from its proof to its answer.

/** Vendors give up after about ten seconds. */
const RECEIVE_MS = 10_000;

/** The call of a channel by whose settings the request is authentic. @throws Problem, noted, where it is not */
export async function believedCall(
  deps: ApiDeps,
  provider: ChannelProvider,
  door: DoorCapability<unknown>,
  channel: LoadedChannel,
  request: DoorRequest,
): Promise<ProviderCall<unknown>> {
  const call = await triedCall(deps, provider, door, channel, request);
  if (call instanceof DoorRefusal) throw noted(deps, provider, call, [channel.facts.id]);
  return call;
}

/** The same; the refusal where it is not, which is not noted: another channel may believe it. */
export async function triedCall(
  deps: ApiDeps,
  provider: ChannelProvider,
  door: DoorCapability<unknown>,
  channel: LoadedChannel,
  request: DoorRequest,
): Promise<ProviderCall<unknown> | DoorRefusal> {
  const signal = AbortSignal.timeout(RECEIVE_MS);
  const call = await storedChannelCall(deps, provider, channel, { signal });
  try {
    await door.verify(request, call, (token) => tokenMatches(channel, token));
    return call;
  } catch (error) {
    if (error instanceof DoorRefusal) return error;
    throw error;
  }
}

/** What an authentic request brings. @throws Problem, noted, where it makes no sense */
export async function receive(
  deps: ApiDeps,
  provider: ChannelProvider,
  door: DoorCapability<unknown>,
  call: ProviderCall<unknown>,
  request: DoorRequest,
): Promise<DoorReceipt> {
  try {
    return await door.receive(request, call);
  } catch (error) {
    if (error instanceof DoorRefusal) throw noted(deps, provider, error, [call.channel.id]);
    throw error;
  }
}

const MOST_NAMED = 20;

/**
 * A refusal is said shortly: a forger learns nothing from it. The reason is in the log and the count, once for a call,
 * however many channels it was held against.
 */
export function noted(
  { log }: Pick<ApiDeps, 'log'>,
  { manifest: { name } }: ChannelProvider,
  error: DoorRefusal,
  channels: readonly string[],
): Problem {
  log.warn(
    {
      provider: name,
      code: error.code,
      reason: error.message,
      channels: channels.slice(0, MOST_NAMED),
      asked: channels.length,
    },
    'a door refused a call',
  );
  return refusal(name, error);
}

export function refusal(provider: string, { status, code }: DoorRefusal): Problem {
  return refused(provider, new Problem(status, 'refused', 'This call is not let in.'), code);
}

export function answer(res: Response, receipt: DoorReceipt | undefined, accepted: number): void {
  if (!receipt?.answer) res.status(200).json({ accepted });
  else
    res
      .status(receipt.answer.status)
      .set('Content-Type', receipt.answer.contentType)
      .send(Buffer.from(receipt.answer.body));
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
