import { setImmediate as turn } from 'node:timers/promises';
import type { ChannelPlace } from '../../db/queries/channel-resolve.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { channelsOfWord, doorSigners } from '../../db/queries/door-keys.ts';
import { DoorRefusal, type DoorRequest, type ProviderCall } from '../../providers/contract.ts';
import { hashesOfWord } from '../channels/door-keys.ts';
import type { ApiDeps } from '../deps.ts';
import { unavailable } from '../problem.ts';
import { noted, triedCall } from './door-call.ts';
import type { KnownChannels } from './known-channels.ts';
import type { Member } from './shared-door.ts';
import { WorkAllowance } from './work-allowance.ts';

/** Of more apps than that not every one is asked. */
const MOST_APPS = 200;
/** For so long a changed secret may be unknown to calls of accounts that nobody has; the vendor calls again. */
const KEPT_MS = 60_000;
/** Where one of them could not be opened, it is tried again sooner. */
const KEPT_INCOMPLETE_MS = 5_000;

/** What strangers may have us hash in a second; what is left over is saved for two. */
const BYTES_A_SECOND = 32 * 1024 * 1024;
const SAVED_SECONDS = 2;
/** Asking a witness costs about as much as hashing so much, however short the call. */
const LEAST_COST_BYTES = 16 * 1024;

/** A channel by whose settings a call may be told to be the vendor's. */
interface Witness {
  readonly member: Member;
  readonly channel: LoadedChannel;
}

interface Believer extends Witness {
  readonly call: ProviderCall<unknown>;
}

interface Found {
  readonly witnesses: readonly Witness[];
  /** Why some that are there could not be opened. */
  readonly failure: unknown;
}

/**
 * Tells whether a call is the vendor's that names no account of ours, by channels that can tell: the one that waits for
 * the word it brings, else one of each app that signs. Since anybody may call, what it costs is bounded for each call and
 * each second, whatever the number of channels.
 */
export class Witnesses {
  readonly #deps: ApiDeps;
  readonly #known: KnownChannels;
  readonly #signers = new Map<string, { until: number; readonly found: Promise<Found> }>();
  readonly #allowance = new WorkAllowance(BYTES_A_SECOND, SAVED_SECONDS);
  readonly #toldOfMore = new Set<string>();

  constructor(deps: ApiDeps, known: KnownChannels) {
    this.#deps = deps;
    this.#known = known;
  }

  /**
   * The first witness that believes the call; null where there is none to ask. @throws Problem: the refusal, or 503 while
   * too much is asked; what kept a witness from being asked, where no other believes it
   */
  async believer(members: readonly Member[], request: DoorRequest): Promise<Believer | null> {
    const found = await Promise.all(members.map((member) => this.#witnesses(member, request)));
    let failure: unknown = found.find((one) => one.failure)?.failure;
    const refused: { readonly member: Member; readonly by: string; readonly why: DoorRefusal }[] =
      [];
    for (const { member, channel } of found.flatMap(({ witnesses }) => witnesses)) {
      try {
        const { provider, door } = member;
        const call = await triedCall(this.#deps, provider, door, channel, request);
        if (!(call instanceof DoorRefusal)) return { member, channel, call };
        refused.push({ member, by: channel.facts.id, why: call });
      } catch (error) {
        failure ??= error;
      }
      await turn(); // others are served between one and the next
    }
    if (failure) throw failure as Error; // as it was thrown
    const [first] = refused;
    if (!first) return null;
    const asked = refused.map(({ by }) => by);
    throw noted(this.#deps, first.member.provider, first.why, asked);
  }

  async #witnesses(member: Member, request: DoorRequest): Promise<Found> {
    const { db, keys } = this.#deps;
    const { name } = member.provider.manifest;
    const word = member.door.keys?.wordIn(request) ?? null;
    if (word !== null)
      return this.#load(
        member,
        await channelsOfWord(db, name, hashesOfWord(member.provider, word, keys)),
      );
    const found = await this.#signersOf(member);
    this.pay(found.witnesses.length, request);
    return found;
  }

  /** For asking so many channels that nobody may know. @throws Problem 503 while too much is asked */
  pay(asked: number, { body }: DoorRequest): void {
    if (this.#allowance.take(asked * Math.max(body.length, LEAST_COST_BYTES))) return;
    throw unavailable('door_busy', 'Too many calls ask whose they are.', 30);
  }

  async #signersOf(member: Member): Promise<Found> {
    const { name } = member.provider.manifest;
    const kept = this.#signers.get(name);
    if (kept && kept.until > Date.now()) return kept.found;
    const entry = { until: Date.now() + KEPT_MS, found: this.#loadSigners(member) };
    this.#signers.set(name, entry);
    const found = await entry.found.catch((error: unknown): Found => {
      entry.until = 0;
      throw error;
    });
    if (found.failure) entry.until = Date.now() + KEPT_INCOMPLETE_MS;
    else if (found.witnesses.length === 0) entry.until = 0; // the first may be made at any moment
    return found;
  }

  async #loadSigners(member: Member): Promise<Found> {
    const { name } = member.provider.manifest;
    const places = await doorSigners(this.#deps.db, name, MOST_APPS + 1);
    if (places.length > MOST_APPS) this.#tellOfMore(name);
    return this.#load(member, places.slice(0, MOST_APPS));
  }

  /** A channel whose secrets can't be opened keeps no other from being asked. */
  async #load(member: Member, places: readonly ChannelPlace[]): Promise<Found> {
    const loaded = await Promise.allSettled(places.map((place) => this.#known.at(place)));
    return {
      witnesses: loaded.flatMap((one) =>
        one.status === 'fulfilled' && one.value ? [{ member, channel: one.value }] : [],
      ),
      failure: loaded.find((one) => one.status === 'rejected')?.reason,
    };
  }

  #tellOfMore(provider: string): void {
    if (this.#toldOfMore.has(provider)) return;
    this.#toldOfMore.add(provider);
    this.#deps.log.warn(
      { provider, asked: MOST_APPS },
      'there are more apps than a call of an unknown account is held against: those of the others are refused',
    );
  }
}
