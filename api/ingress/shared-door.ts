import type { RequestHandler } from 'express';
import {
  channelsOfProvider,
  resolveAccount,
  type ChannelPlace,
} from '../../db/queries/channel-resolve.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import {
  DoorRefusal,
  type ChannelProvider,
  type DoorCapability,
  type DoorReceipt,
  type DoorRequest,
  type ProviderCall,
} from '../../providers/contract.ts';
import { doorStrangers } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { Problem } from '../problem.ts';
import type { DoorStore } from './door-store.ts';
import { answer, believedCall, doorRequest, receive, refusal } from './door-call.ts';
import type { KnownChannels } from './known-channels.ts';

/** A call that names no account of ours is held against the settings of so many channels of each provider. */
const MOST_WITNESSES = 20;

/** One address that vendors call for all accounts of one or several providers. */
export interface SharedDoor {
  /** Under `/ingress/`. */
  readonly name: string;
  readonly members: readonly Member[];
  readonly known: KnownChannels;
}

interface Member {
  readonly provider: ChannelProvider;
  readonly door: DoorCapability<unknown>;
  readonly accounts: (request: DoorRequest) => readonly string[];
}

/** A channel of which a call may speak. */
interface Named {
  readonly member: Member;
  readonly channel: LoadedChannel;
}

interface Believed extends Named {
  readonly call: ProviderCall<unknown>;
}

export type SharedDoors = ReadonlyMap<string, SharedDoor>;

/** By name. */
export function sharedDoors(all: readonly ChannelProvider[], known: KnownChannels): SharedDoors {
  const members = all.flatMap((provider) => {
    const { door } = provider;
    return door?.accounts ? [{ provider, door, accounts: door.accounts }] : [];
  });
  const byName = Map.groupBy(members, ({ provider }) => nameOf(provider));
  return new Map([...byName].map(([name, theirs]) => [name, { name, members: theirs, known }]));
}

export function sharedDoorOf(provider: ChannelProvider, shared: SharedDoors) {
  return shared.get(nameOf(provider));
}

function nameOf({ manifest, door }: ChannelProvider): string {
  return door?.sharedAs ?? manifest.name;
}

/** The one door of vendors that call one address for all their accounts. */
export function sharedDoor(deps: ApiDeps, shared: SharedDoor, store: DoorStore): RequestHandler {
  return async (req, res) => {
    const { accepted, told } = await hear(deps, shared, store, doorRequest(req));
    answer(res, told, accepted);
  };
}

/**
 * A call claims to speak of accounts; it is believed of each one by whose own channel's settings it is authentic, and of
 * no other. @throws Problem where none believes it
 */
export async function hear(
  deps: ApiDeps,
  shared: SharedDoor,
  store: DoorStore,
  request: DoorRequest,
): Promise<{ accepted: number; told: DoorReceipt | undefined }> {
  const claims = claimsOf(shared, request);
  const named = (
    await Promise.all(claims.map((claim) => channelsNamed(deps, shared, claim)))
  ).flat();
  const believed = await believers(
    deps,
    shared,
    named.length > 0 ? named : await witnesses(deps, claims, shared),
    request,
    named.length === 0,
  );
  const strangers = claims.length - new Set(named.map(({ account }) => account)).size;
  if (strangers > 0) doorStrangers.inc({ door: shared.name }, strangers);
  // An authentic call of an account that is not ours (any more) is heard without effect: asked again, it would come for days.
  const heard = claims.length > 0 && named.length === 0 ? [] : believed;
  let accepted = 0;
  let told: DoorReceipt | undefined;
  for (const { member, channel, call } of heard) {
    if (channel.desiredState === 'stopped') continue;
    const receipt = await receive(member.provider, member.door, call, request);
    await store.store(channel, receipt, request.receivedAt);
    accepted += receipt.sources.length;
    if (receipt.answer) told ??= receipt;
  }
  return { accepted, told };
}

interface Claim {
  readonly member: Member;
  readonly account: string;
}

/** The accounts that a call says it speaks of, each once. @throws Problem where the call can't be read */
function claimsOf({ members }: SharedDoor, request: DoorRequest): Claim[] {
  return members.flatMap((member) => {
    try {
      return [...new Set(member.accounts(request))].map((account) => ({ member, account }));
    } catch (error) {
      if (!(error instanceof DoorRefusal)) throw error;
      throw refusal(member.provider.manifest.name, error);
    }
  });
}

async function channelsNamed(
  { db }: ApiDeps,
  { known }: SharedDoor,
  { member, account }: Claim,
): Promise<(Named & { readonly account: string })[]> {
  const places = await resolveAccount(db, member.provider.manifest.name, account);
  return (await load(known, member, places)).map((named) => ({ ...named, account }));
}

/**
 * Channels whose settings may tell that a call is the vendor's: it names no account, or one that we no longer have; then
 * only its own provider's are asked.
 */
async function witnesses(
  { db }: ApiDeps,
  claims: readonly Claim[],
  { members, known }: SharedDoor,
): Promise<Named[]> {
  const asked = claims.length > 0 ? new Set(claims.map(({ member }) => member)) : members;
  const found = [...asked].map(async (member) => {
    const { name } = member.provider.manifest;
    return load(known, member, await channelsOfProvider(db, name, MOST_WITNESSES));
  });
  return (await Promise.all(found)).flat();
}

async function load(
  known: KnownChannels,
  member: Member,
  places: readonly ChannelPlace[],
): Promise<Named[]> {
  const channels = await Promise.all(places.map((place) => known.at(place)));
  return channels.filter((channel) => channel !== null).map((channel) => ({ member, channel }));
}

/** Those by whose settings the call is authentic. @throws Problem where there is none: never a yes to a stranger */
async function believers(
  deps: ApiDeps,
  shared: SharedDoor,
  named: readonly Named[],
  request: DoorRequest,
  oneIsEnough: boolean,
): Promise<Believed[]> {
  const believed: Believed[] = [];
  let refused: Problem | null = null;
  for (const { member, channel } of named) {
    try {
      const { provider, door } = member;
      const call = await believedCall(deps, provider, door, channel, request);
      believed.push({ member, channel, call });
      if (oneIsEnough) break;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused ??= error;
    }
  }
  if (believed.length > 0) return believed;
  throw refused ?? unknownAccount(shared);
}

function unknownAccount({ name }: SharedDoor): Problem {
  return refusal(name, new DoorRefusal(403, 'account_unknown', 'No channel has this account.'));
}
