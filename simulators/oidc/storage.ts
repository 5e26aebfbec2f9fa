import type { Adapter, AdapterPayload } from 'oidc-provider';

type Models = Map<string, Map<string, AdapterPayload>>;

/**
 * What a provider keeps, in memory, for as long as the simulator lives; ends of life are the provider's own to check.
 * @param keepsUsed a refresh token that brought another one stays good
 */
export function storage({ keepsUsed = false }: { keepsUsed?: boolean } = {}) {
  const models: Models = new Map();
  const kept = (model: string) => {
    const ofModel = models.get(model) ?? new Map<string, AdapterPayload>();
    models.set(model, ofModel);
    return ofModel;
  };
  return {
    adapter: (model: string): Adapter =>
      new InMemory(kept(model), keepsUsed && model === 'RefreshToken'),
    /** Forgets all of a model: `AccessToken`. */
    forget: (model: string) => kept(model).clear(),
  };
}

class InMemory implements Adapter {
  readonly #kept: Map<string, AdapterPayload>;

  readonly #keepsUsed: boolean;

  constructor(kept: Map<string, AdapterPayload>, keepsUsed: boolean) {
    this.#kept = kept;
    this.#keepsUsed = keepsUsed;
  }

  async upsert(id: string, payload: AdapterPayload) {
    this.#kept.set(id, payload);
  }
  async find(id: string) {
    return this.#kept.get(id);
  }
  async findByUid(uid: string) {
    return this.#first((payload) => payload.uid === uid);
  }
  async findByUserCode(userCode: string) {
    return this.#first((payload) => payload.userCode === userCode);
  }
  async consume(id: string) {
    const payload = this.#kept.get(id);
    if (payload && !this.#keepsUsed) payload.consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id: string) {
    this.#kept.delete(id);
  }
  async revokeByGrantId(grantId: string) {
    for (const [id, payload] of this.#kept) if (payload.grantId === grantId) this.#kept.delete(id);
  }

  #first(wanted: (payload: AdapterPayload) => boolean) {
    return [...this.#kept.values()].find(wanted);
  }
}
