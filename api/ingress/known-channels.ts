import type { ChannelPlace } from '../../db/queries/channel-resolve.ts';
import { loadChannel, type LoadedChannel } from '../../db/queries/channels.ts';
import type { ApiDeps } from '../deps.ts';

/** Secrets are kept open in memory no longer. */
const KEPT_MS = 60_000;
const MOST = 1_000;

/** Channels that doors are called for again and again, as long as their version stands. */
export class KnownChannels {
  readonly #deps: Pick<ApiDeps, 'db' | 'keys'>;
  readonly #known = new Map<string, { channel: LoadedChannel; until: number }>();

  constructor(deps: Pick<ApiDeps, 'db' | 'keys'>) {
    this.#deps = deps;
  }

  /** Null where it is gone. */
  async at({ tenantId, channelId, version }: ChannelPlace): Promise<LoadedChannel | null> {
    const known = this.#known.get(channelId);
    if (known && known.channel.version === version && known.until > Date.now())
      return known.channel;
    this.#known.delete(channelId);
    const { db, keys } = this.#deps;
    const channel = await loadChannel(db, keys, tenantId, channelId);
    if (channel && version !== undefined) this.#keep(channel);
    return channel;
  }

  #keep(channel: LoadedChannel): void {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MOST && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(channel.facts.id, { channel, until: Date.now() + KEPT_MS });
  }
}
