import { createHmac } from 'node:crypto';
import { seededRandom } from '../faults.ts';
import type { DoorAnswer, DoorCall } from '../mail-cloud.ts';
import type { SimApp } from './world.ts';

export type HookObject = 'whatsapp_business_account' | 'page';

/** One thing to tell: a change of a number's account, or an event of a page. */
export interface HookItem {
  readonly app: SimApp;
  readonly object: HookObject;
  /** Account or page. */
  readonly entryId: string;
  /** Where to, when it is not the app's own address. */
  readonly url: string | null;
  /** Of a change: `messages` where it is left out. */
  readonly field?: string;
  /** Of WhatsApp a change's value, of Messenger an event. */
  readonly content: Readonly<Record<string, unknown>>;
}

/** How calls are made; all may change while it runs. */
export interface HookBehaviour {
  /** Items of so many milliseconds come in one call. */
  gatherMs: number;
  mostPerCall: number;
  /** Share of calls that come twice, from 0 to 1. */
  duplicates: number;
  /** Items are shuffled before they are put into calls, and calls of one moment overtake each other. */
  disorder: boolean;
  /** A call that is not answered 200 is repeated so often, after `retryMs`, twice that, and so on. */
  retries: number;
  retryMs: number;
  answerMs: number;
}

/** A call of a door, with how it was answered; status 0: not at all. */
export interface SeenCall extends DoorCall {
  readonly at: Date;
  readonly status: number;
  readonly ms: number;
}

/** Meta's webhooks: signed with the app's secret, gathered, repeated until they are taken. */
export class Hooks {
  readonly calls: SeenCall[] = [];
  readonly behaviour: HookBehaviour = {
    gatherMs: 10,
    mostPerCall: 100,
    duplicates: 0,
    disorder: false,
    retries: 5,
    retryMs: 200,
    answerMs: 20_000,
  };
  #held: DoorCall[] | null = null;
  readonly #gathered = new Map<string, HookItem[]>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #random = seededRandom(7);
  #isClosed = false;

  /** From now on calls are only composed. `release` gives them. */
  hold(): void {
    this.#held ??= [];
  }

  /** All calls that were held, oldest first; from now on calls are made again. */
  async release(): Promise<readonly DoorCall[]> {
    await this.settled();
    const held = this.#held ?? [];
    this.#held = null;
    return held;
  }

  tell(item: HookItem): void {
    const url = item.url ?? item.app.callbackUrl;
    if (url === null || this.#isClosed) return;
    const key = JSON.stringify([item.app.id, item.object, url]);
    const gathered = this.#gathered.get(key);
    if (gathered) return void gathered.push(item);
    this.#gathered.set(key, [item]);
    this.track(
      later(this.behaviour.gatherMs).then(async () => {
        const items = this.#gathered.get(key) ?? [];
        this.#gathered.delete(key);
        await this.#make(url, items);
      }),
    );
  }

  /** What must be over before all is settled. */
  track(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    tracked.catch(() => undefined);
  }

  /** Until nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  /** Makes a call once, as it is. */
  async call(call: DoorCall): Promise<DoorAnswer> {
    const at = new Date();
    const began = performance.now();
    const answer = await fetch(call.url, {
      method: 'POST',
      headers: call.headers,
      body: new Uint8Array(call.body),
      signal: AbortSignal.timeout(this.behaviour.answerMs),
    }).then(
      async (response) => ({ status: response.status, body: await response.text() }),
      (error: unknown) => ({ status: 0, body: String(error) }),
    );
    this.calls.push({ ...call, at, status: answer.status, ms: performance.now() - began });
    return answer;
  }

  close(): void {
    this.#isClosed = true;
  }

  async #make(url: string, items: readonly HookItem[]): Promise<void> {
    const { mostPerCall, duplicates, disorder } = this.behaviour;
    const ordered = disorder ? this.#shuffled(items) : items;
    const calls: DoorCall[] = [];
    for (let from = 0; from < ordered.length; from += mostPerCall) {
      const call = composeCall(url, ordered.slice(from, from + mostPerCall));
      calls.push(call);
      if (this.#random() < duplicates) calls.push(call);
    }
    const inTurn = disorder ? this.#shuffled(calls) : calls;
    if (this.#held) return void this.#held.push(...inTurn);
    if (disorder) await Promise.all(inTurn.map((call) => this.#deliver(call)));
    else for (const call of inTurn) await this.#deliver(call);
  }

  async #deliver(call: DoorCall): Promise<void> {
    const { retries, retryMs } = this.behaviour;
    for (let attempt = 0; attempt <= retries && !this.#isClosed; attempt += 1) {
      const { status } = await this.call(call);
      if (status === 200) return;
      await later(retryMs * 2 ** attempt);
    }
  }

  #shuffled<T>(all: readonly T[]): T[] {
    return all
      .map((one) => ({ one, by: this.#random() }))
      .sort((a, b) => a.by - b.by)
      .map(({ one }) => one);
  }
}

/** A signed call that brings these, which all are of one app and one object. */
export function composeCall(url: string, items: readonly HookItem[]): DoorCall {
  const [{ app, object }] = items as readonly [HookItem];
  const body = Buffer.from(JSON.stringify({ object, entry: entriesOf(object, items) }));
  return { url, headers: signedHeaders(body, app.secret), body };
}

/** https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads */
export function signedHeaders(body: Buffer, secret: string): Record<string, string> {
  const hmac = (algorithm: string) => createHmac(algorithm, secret).update(body).digest('hex');
  return {
    'content-type': 'application/json',
    'user-agent': 'facebookexternalua',
    'x-hub-signature': `sha1=${hmac('sha1')}`,
    'x-hub-signature-256': `sha256=${hmac('sha256')}`,
  };
}

function entriesOf(object: HookObject, items: readonly HookItem[]): object[] {
  const byEntry = Map.groupBy(items, ({ entryId }) => entryId);
  return [...byEntry].map(([id, of]) =>
    object === 'page'
      ? { id, time: Date.now(), messaging: of.map(({ content }) => content) }
      : { id, changes: of.map(({ field = 'messages', content }) => ({ field, value: content })) },
  );
}

/** @returns what is wrong with the door's answer to the handshake; null where it is right */
export async function handshake(url: string, verifyToken: string): Promise<string | null> {
  const challenge = String(Math.floor(Math.random() * 2 ** 31));
  const target = new URL(url);
  target.searchParams.set('hub.mode', 'subscribe');
  target.searchParams.set('hub.challenge', challenge);
  target.searchParams.set('hub.verify_token', verifyToken);
  try {
    const answer = await fetch(target, { signal: AbortSignal.timeout(20_000) });
    const body = await answer.text();
    if (answer.status !== 200) return `The door answered ${answer.status} to the handshake.`;
    return body === challenge ? null : 'The door answered the handshake with another challenge.';
  } catch (error) {
    return `The door could not be reached: ${String(error)}`;
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
