import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JWTPayload } from 'jose';

/** A push subscription of the simulated Pub/Sub (https://cloud.google.com/pubsub/docs/push). */
export interface PushSubscription {
  readonly topic: string;
  readonly endpoint: string;
  readonly audience: string;
  readonly serviceAccount: string;
}

export interface Push {
  readonly endpoint: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of each attempt; 0 where there was no answer. */
  readonly statuses: number[];
}

const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 50;

/** Publishes what Gmail tells, pushes it with Google's signature, and again until it is acknowledged. */
export class PubSub {
  readonly pushes: Push[] = [];
  readonly #sign: (claims: JWTPayload) => Promise<string>;
  readonly #subscriptions: PushSubscription[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(sign: (claims: JWTPayload) => Promise<string>) {
    this.#sign = sign;
  }

  subscribe(subscription: PushSubscription): void {
    this.#subscriptions.push(subscription);
  }

  publish(topic: string, notification: { emailAddress: string; historyId: string }): void {
    for (const subscription of this.#subscriptions.filter((one) => one.topic === topic)) {
      const pushing = this.#push(subscription, notification).catch((error: unknown) => {
        if (!this.#closing.signal.aborted) throw error;
      });
      this.#underWay.add(pushing);
      void pushing.finally(() => this.#underWay.delete(pushing));
    }
  }

  /** A push as it would be sent; `claims` stand in place of the right ones. */
  async pushFor(
    { endpoint, audience, serviceAccount }: Omit<PushSubscription, 'topic'>,
    notification: { emailAddress: string; historyId: string },
    claims: JWTPayload = {},
  ): Promise<Push> {
    const token = await this.#sign({
      aud: audience,
      azp: '113774264463038321964',
      sub: '113774264463038321964',
      email: serviceAccount,
      email_verified: true,
      ...claims,
    });
    return {
      endpoint,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        message: {
          data: Buffer.from(JSON.stringify(notification)).toString('base64'),
          messageId: randomUUID(),
          publishTime: new Date().toISOString(),
        },
        subscription: 'projects/simulated/subscriptions/gmail',
      }),
      statuses: [],
    };
  }

  async #push(
    subscription: PushSubscription,
    notification: { emailAddress: string; historyId: string },
  ): Promise<void> {
    const push = await this.pushFor(subscription, notification);
    this.pushes.push(push);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const status = await this.deliver(push);
      if (status >= 200 && status < 300) return;
      const pause = FIRST_PAUSE_MS * 2 ** attempt;
      await sleep(pause, undefined, { signal: this.#closing.signal });
    }
  }

  /** Sends a push once, or once more. */
  async deliver({ endpoint, body, headers, statuses }: Push): Promise<number> {
    const status = await fetch(endpoint, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(10_000)]),
    }).then(
      (answer) => answer.status,
      () => 0,
    );
    statuses.push(status);
    return status;
  }

  /** Waits for no push; ends those under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#underWay);
  }
}
