import type { RequestHandler } from 'express';
import { channelsOfProvider, resolveAccount } from '../../db/queries/channel-resolve.ts';
import { loadChannel, type LoadedChannel } from '../../db/queries/channels.ts';
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
import {
  answer,
  believedCall,
  doorRequest,
  receive,
  refusal,
  store,
  type FindProvider,
} from './vendor-door.ts';

/** A call that names no account of ours is held against the settings of so many channels. */
const MOST_WITNESSES = 20;

interface SharedDoor {
  readonly provider: ChannelProvider;
  readonly door: DoorCapability<unknown>;
  readonly accounts: (request: DoorRequest) => readonly string[];
}

interface Believed {
  readonly channel: LoadedChannel;
  readonly call: ProviderCall<unknown>;
}

/** Lets on only what is called at the one door of a vendor; other addresses of this form are others' doors. */
export function onlySharedDoors(find: FindProvider): RequestHandler<{ provider: string }> {
  return (req, _res, next) => next(sharedDoorOf(req.params.provider, find) ? undefined : 'route');
}

/**
 * The one door of a vendor that calls one address for all its accounts. A call claims to speak of accounts; it is
 * believed of each one by whose own channel's settings it is authentic, and of no other.
 */
export function sharedDoor(
  deps: ApiDeps,
  find: FindProvider,
): RequestHandler<{ provider: string }> {
  return async (req, res) => {
    const shared = sharedDoorOf(req.params.provider, find)!; // onlySharedDoors let it on
    const request = doorRequest(req);
    const claimed = claimedAccounts(shared, request);
    const named = await channelsNamed(deps, shared, claimed);
    const believed = await believers(
      deps,
      shared,
      named.length > 0 ? named : await witnesses(deps, shared),
      request,
      named.length === 0,
    );
    // An authentic call of an account that is not ours (any more) is heard without effect: asked again, it would come for days.
    const heard = claimed.length > 0 && named.length === 0 ? [] : believed;
    let accepted = 0;
    let told: DoorReceipt | undefined;
    for (const { channel, call } of heard) {
      if (channel.desiredState === 'stopped') continue;
      const receipt = await receive(shared.provider, shared.door, call, request);
      await store(deps, channel, receipt, request.receivedAt);
      accepted += receipt.sources.length;
      if (receipt.answer) told ??= receipt;
    }
    answer(res, told, accepted);
  };
}

function sharedDoorOf(name: string, find: FindProvider): SharedDoor | null {
  const provider = find(name);
  const door = provider?.door;
  return provider && door?.accounts ? { provider, door, accounts: door.accounts } : null;
}

/** @throws Problem where the call can't be read */
function claimedAccounts({ provider, accounts }: SharedDoor, request: DoorRequest): string[] {
  try {
    return [...new Set(accounts(request))];
  } catch (error) {
    if (!(error instanceof DoorRefusal)) throw error;
    throw refusal(provider.manifest.name, error);
  }
}

async function channelsNamed(
  deps: ApiDeps,
  { provider }: SharedDoor,
  accounts: readonly string[],
): Promise<LoadedChannel[]> {
  const found = await Promise.all(
    accounts.map((account) => resolveAccount(deps.db, provider.manifest.name, account)),
  );
  return load(deps, found.flat());
}

/** Channels whose settings may tell that a call is the vendor's: it names none, or one that we no longer have. */
async function witnesses(deps: ApiDeps, { provider }: SharedDoor): Promise<LoadedChannel[]> {
  return load(deps, await channelsOfProvider(deps.db, provider.manifest.name, MOST_WITNESSES));
}

async function load(
  { db, keys }: ApiDeps,
  refs: Awaited<ReturnType<typeof resolveAccount>>,
): Promise<LoadedChannel[]> {
  const channels = await Promise.all(
    refs.map(({ tenantId, channelId }) => loadChannel(db, keys, tenantId, channelId)),
  );
  return channels.filter((channel) => channel !== null);
}

/** Those by whose settings the call is authentic. @throws Problem where there is none: never a yes to a stranger */
async function believers(
  deps: ApiDeps,
  { provider, door }: SharedDoor,
  channels: readonly LoadedChannel[],
  request: DoorRequest,
  oneIsEnough: boolean,
): Promise<Believed[]> {
  const believed: Believed[] = [];
  let refused: Problem | null = null;
  for (const channel of channels) {
    try {
      believed.push({ channel, call: await believedCall(deps, provider, door, channel, request) });
      if (oneIsEnough) break;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused ??= error;
    }
  }
  if (believed.length > 0) return believed;
  throw refused ?? unknownAccount(provider);
}

function unknownAccount({ manifest }: ChannelProvider): Problem {
  return refusal(
    manifest.name,
    new DoorRefusal(403, 'account_unknown', 'No channel has this account.'),
  );
}
