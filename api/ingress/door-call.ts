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
