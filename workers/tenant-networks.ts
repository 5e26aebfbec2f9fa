import type { TenantId } from '../domain/ids.ts';
import { createGuardedNetwork, type GuardedNetwork } from '../security/ssrf-guard.ts';

/** How long a tenant's allow-list is trusted before it is read again. */
const ALLOW_LIST_TTL_MS = 10_000;
/** What the old network still has under way ends by itself; no request lasts as long. */
const RETIREMENT_MS = 120_000;

type Network = ReturnType<typeof createGuardedNetwork>;

interface Known {
  readonly network: Network;
  readonly allowed: string;
}

/** The guarded way out of each tenant, kept with its pooled connections while the allow-list stays the same. */
export class TenantNetworks {
  readonly #readAllowList: (tenantId: TenantId) => Promise<readonly string[]>;
  readonly #known = new Map<TenantId, { current: Promise<Known>; until: number }>();
  readonly #retired = new Set<Network>();

  constructor(readAllowList: (tenantId: TenantId) => Promise<readonly string[]>) {
    this.#readAllowList = readAllowList;
  }

  async of(tenantId: TenantId): Promise<GuardedNetwork> {
    const known = this.#known.get(tenantId);
    if (known && known.until > Date.now()) return (await known.current).network;
    const current = this.#renew(tenantId, known?.current);
    const entry = { current, until: Date.now() + ALLOW_LIST_TTL_MS };
    this.#known.set(tenantId, entry);
    try {
      return (await current).network;
    } catch (error) {
      // Read anew at the next call; what was known until now stays known.
      if (this.#known.get(tenantId) === entry) {
        if (known) this.#known.set(tenantId, { ...known, until: 0 });
        else this.#known.delete(tenantId);
      }
      throw error;
    }
  }

  /** Ends the idle connections of all. */
  close(): void {
    for (const { current } of this.#known.values())
      current.then(
        ({ network }) => void network.close(),
        () => undefined,
      );
    for (const network of this.#retired) void network.close();
    this.#known.clear();
    this.#retired.clear();
  }

  async #renew(tenantId: TenantId, former: Promise<Known> | undefined): Promise<Known> {
    const allow = await this.#readAllowList(tenantId);
    const allowed = JSON.stringify(allow);
    const before = await former?.catch(() => undefined);
    if (before?.allowed === allowed) return before;
    const network = createGuardedNetwork({ allow });
    if (before) this.#retire(before.network);
    return { network, allowed };
  }

  /** A caller may have got it a moment ago: it is closed once nobody can be using it. */
  #retire(network: Network): void {
    this.#retired.add(network);
    const end = () => {
      this.#retired.delete(network);
      void network.close();
    };
    setTimeout(end, RETIREMENT_MS).unref();
  }
}
