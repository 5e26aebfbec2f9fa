import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { ChannelPlace } from '../../db/queries/channel-resolve.ts';
import {
  DoorRefusal,
  type ChannelProvider,
  type DoorCapability,
  type DoorReceipt,
  type DoorRequest,
} from '../../providers/contract.ts';
import { doorStrangers, doorUnreadable } from '../../telemetry/metrics.ts';
import type { ApiDeps } from '../deps.ts';
import { AccountPlaces } from './account-places.ts';
import type { DoorStore } from './door-store.ts';
import { answer, doorRequest, noted, receive, refusal, triedCall } from './door-call.ts';
import type { KnownChannels } from './known-channels.ts';
import { Witnesses } from './witnesses.ts';

/** Vendors batch up to so many updates; a call that names more accounts is nobody's. */
const MOST_ACCOUNTS = 1_000;
const MOST_LOGGED = 20;

/** One address that vendors call for all accounts of one or several providers. */
export interface SharedDoor {
  /** Under `/ingress/`. */
  readonly name: string;
  readonly members: readonly Member[];
  readonly known: KnownChannels;
  readonly places: AccountPlaces;
  readonly witnesses: Witnesses;
}

/** One of the providers that have the door in common. */
export interface Member {
  readonly provider: ChannelProvider;
  readonly door: DoorCapability<unknown>;
  readonly accounts: (request: DoorRequest) => readonly string[];
}

/** A channel of which a call speaks. */
interface NamedPlace {
  readonly member: Member;
  readonly place: ChannelPlace & { readonly account: string };
}

export type SharedDoors = ReadonlyMap<string, SharedDoor>;

/** By name. */
export function sharedDoors(
  deps: ApiDeps,
  all: readonly ChannelProvider[],
  known: KnownChannels,
): SharedDoors {
  const members = all.flatMap((provider) => {
    const { door } = provider;
    return door?.accounts ? [{ provider, door, accounts: door.accounts }] : [];
  });
  const byName = Map.groupBy(members, ({ provider }) => nameOf(provider));
  const places = new AccountPlaces(deps);
  return new Map(
    [...byName].map(([name, theirs]) => {
      const witnesses = new Witnesses(deps, known);
      return [name, { name, members: theirs, known, places, witnesses }];
    }),
  );
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

/** What a call is answered with. */
interface Heard {
  readonly accepted: number;
  readonly told: DoorReceipt | undefined;
}

/**
 * A call claims to speak of accounts; it is believed of each one by whose own channel's settings it is authentic, and of
 * no other. One that names none of ours is held against those that can tell whose it is.
 * @throws Problem where none believes it; what kept a part of it from being stored, when all the others are
 */
export async function hear(
  deps: ApiDeps,
  shared: SharedDoor,
  store: DoorStore,
  request: DoorRequest,
): Promise<Heard> {
  const claims = claimsOf(shared, request);
  const named = await placesNamed(shared, claims);
  const heard =
    named.length > 0
      ? await hearOfEach(deps, shared, store, request, named)
      : await hearOfNone(deps, shared, request, claims);
  const strangers = claims.length - new Set(named.map(({ place }) => place.account)).size;
  if (strangers > 0) doorStrangers.inc({ door: shared.name }, strangers);
  noteStrays(deps, shared, request);
  return heard;
}

/** So many channels are asked side by side whether they believe a call. */
const AT_ONCE = 16;

/**
 * What keeps one from being stored keeps no other, and the vendor repeats it for that one's sake. Anybody can name accounts
 * that are real: once as many as are asked at once don't believe the call, asking the others is work done for a stranger.
 */
async function hearOfEach(
  deps: ApiDeps,
  shared: SharedDoor,
  store: DoorStore,
  request: DoorRequest,
  named: readonly NamedPlace[],
): Promise<Heard> {
  // Named twice, by its account and by what that belongs to, it is told once.
  const channels = [...new Map(named.map((one) => [one.place.channelId, one])).values()];
  const outcomes: PromiseSettledResult<{ receipt: DoorReceipt } | Refused>[] = [];
  for (let from = 0; from < channels.length; from += AT_ONCE) {
    const some = channels.slice(from, from + AT_ONCE);
    if (outcomes.filter(isRefused).length >= AT_ONCE) shared.witnesses.pay(some.length, request);
    outcomes.push(
      ...(await Promise.allSettled(some.map((one) => hearOf(deps, shared, store, request, one)))),
    );
  }
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
  const ended = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const receipts = ended.flatMap((one) => ('receipt' in one ? [one.receipt] : []));
  const refused = ended.flatMap((one) => ('refused' in one ? [one] : []));
  const [first] = refused;
  if (first) {
    const asked = refused.map(({ by }) => by);
    const problem = noted(deps, first.member.provider, first.refused, asked);
    if (receipts.length === 0) throw problem;
  }
  return {
    accepted: receipts.reduce((sum, { sources }) => sum + sources.length, 0),
    told: receipts.find(({ answer }) => answer !== undefined),
  };
}

const NOTHING: DoorReceipt = { sources: [] };

interface Refused {
  readonly refused: DoorRefusal;
  readonly member: Member;
  /** The channel. */
  readonly by: string;
}

function isRefused(outcome: PromiseSettledResult<object>): boolean {
  return outcome.status === 'fulfilled' && 'refused' in outcome.value;
}

/** What a call brings one channel, stored; or the refusal, where it is not authentic by this channel's settings. */
async function hearOf(
  deps: ApiDeps,
  { known }: SharedDoor,
  store: DoorStore,
  request: DoorRequest,
  { member, place }: NamedPlace,
): Promise<{ receipt: DoorReceipt } | Refused> {
  const { provider, door } = member;
  const channel = await known.at(place);
  if (!channel) return { refused: unknownAccount(), member, by: place.channelId }; // deleted in this moment
  const call = await triedCall(deps, provider, door, channel, request);
  if (call instanceof DoorRefusal) return { refused: call, member, by: place.channelId };
  if (channel.desiredState === 'stopped') return { receipt: NOTHING };
  const receipt = await receive(deps, provider, door, call, request);
  await store.store(channel, receipt, request.receivedAt);
  const unreadable = receipt.sources.filter((source) => source.unreadable).length;
  if (unreadable > 0)
    doorUnreadable.inc({ provider: provider.manifest.name, outcome: 'set_aside' }, unreadable);
  return { receipt };
}

/**
 * A handshake is answered. An authentic call of an account that is not ours (any more) is heard without effect: refused,
 * it would come for days.
 */
async function hearOfNone(
  deps: ApiDeps,
  { members, witnesses, name }: SharedDoor,
  request: DoorRequest,
  claims: readonly Claim[],
): Promise<Heard> {
  const asked = claims.length > 0 ? [...new Set(claims.map(({ member }) => member))] : members;
  const believer = await witnesses.believer(asked, request);
  if (!believer) throw refusal(name, unknownAccount());
  if (claims.length > 0) return { accepted: 0, told: undefined };
  const { member, call } = believer;
  const receipt = await receive(deps, member.provider, member.door, call, request);
  return { accepted: 0, told: receipt.answer && receipt };
}

interface Claim {
  readonly member: Member;
  readonly account: string;
}

/** The accounts that a call says it speaks of, each once. @throws Problem where the call can't be read */
function claimsOf({ members }: SharedDoor, request: DoorRequest): Claim[] {
  return members.flatMap((member) => {
    const { name } = member.provider.manifest;
    try {
      const accounts = new Set(member.accounts(request));
      if (accounts.size > MOST_ACCOUNTS)
        throw new DoorRefusal(413, 'too_many_accounts', 'The call names too many accounts.');
      return [...accounts].map((account) => ({ member, account }));
    } catch (error) {
      if (!(error instanceof DoorRefusal)) throw error;
      throw refusal(name, error);
    }
  });
}

async function placesNamed(
  { places }: SharedDoor,
  claims: readonly Claim[],
): Promise<NamedPlace[]> {
  const byMember = [...Map.groupBy(claims, ({ member }) => member)];
  const found = byMember.map(async ([member, theirs]) => {
    const accounts = theirs.map(({ account }) => account);
    const theirPlaces = await places.of(member.provider.manifest.name, accounts);
    return theirPlaces.map((place) => ({ member, place }));
  });
  return (await Promise.all(found)).flat();
}

/** What an authentic call holds that can be neither read nor given to a channel: its content is nobody's to see. */
function noteStrays({ log }: ApiDeps, { members }: SharedDoor, request: DoorRequest): void {
  for (const { provider, door } of members) {
    const strays = door.strays?.(request) ?? [];
    if (strays.length === 0) continue;
    const { name } = provider.manifest;
    doorUnreadable.inc({ provider: name, outcome: 'lost' }, strays.length);
    const sha256 = strays.slice(0, MOST_LOGGED).map((stray) => contentHash(stray));
    log.warn(
      { provider: name, parts: strays.length, sha256 },
      'a call held parts that can’t be read and name no account',
    );
  }
}

function contentHash(stray: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(stray) ?? '')
    .digest('hex');
}

function unknownAccount(): DoorRefusal {
  return new DoorRefusal(403, 'account_unknown', 'No channel has this account.');
}
