import { createGmailSimulator } from '../../simulators/gmail/simulator.ts';
import { graphSimulator } from '../../simulators/graph/simulator.ts';
import type { Violation } from '../../simulators/contract.ts';
import { eventually } from '../harness/index.ts';

export type LifecycleEvent = 'reauthorizationRequired' | 'subscriptionRemoved' | 'missed';

/** A vendor's simulator in the test's process, with one mailbox. */
export interface Vendor {
  readonly url: string;
  /** Of a channel that reads it. */
  readonly settings: object;
  /** Tells the channel's door of mail. */
  subscribe(doorUrl: string): void;
  /** Mail comes; resolves when the vendor has told of it as far as it does. */
  deliver(raw: string): Promise<void>;
  /** When the last of its watches ends, in milliseconds; 0 without any. */
  until(): number;
  /** Watches that live. */
  live(): number;
  /** What happens to its watches; it says so. */
  says(event: LifecycleEvent): Promise<void>;
  readonly violations: readonly Violation[];
  close(): Promise<void>;
}

const TOPIC = 'projects/simulated/topics/gmail';
const SERVICE_ACCOUNT = 'push@simulated.iam.gserviceaccount.com';
const ADDRESS = 'support@example.test';
/** Longer than a vendor's hour, so that not every other look has to ask for another. */
const TOKEN_SECONDS = 24 * 3600;
const TOLD_WITHIN_MS = 20_000;

export async function gmail(): Promise<Vendor> {
  const simulator = await createGmailSimulator({ accessTokenSeconds: TOKEN_SECONDS });
  const account = await simulator.account(ADDRESS);
  const { pubsub, violations } = simulator;
  const until = () => account.watch?.expiration ?? 0;
  return {
    url: simulator.url,
    settings: {
      ...simulator.settingsOf(account),
      pubsub_topic: TOPIC,
      push_service_account: SERVICE_ACCOUNT,
    },
    subscribe: (endpoint) =>
      pubsub.subscribe({ topic: TOPIC, endpoint, audience: endpoint, serviceAccount: SERVICE_ACCOUNT }), // prettier-ignore
    async deliver(raw) {
      const { length } = pubsub.pushes;
      account.mailbox.deliver(raw);
      await eventually(() => {
        if (pubsub.pushes[length]?.statuses.at(-1) !== 200)
          throw new Error('The push has not been taken.');
      }, TOLD_WITHIN_MS);
    },
    until,
    live: () => (until() > Date.now() ? 1 : 0),
    says: () => Promise.reject(new Error('Gmail says nothing of its watches.')),
    violations,
    close: () => simulator.close(),
  };
}

export async function graph(): Promise<Vendor> {
  const simulator = await graphSimulator({ accessTokenSeconds: TOKEN_SECONDS });
  const { subscriptions, violations } = simulator;
  const ends = () =>
    [...subscriptions.all.values()].map(({ expirationDateTime }) => Date.parse(expirationDateTime));
  return {
    url: simulator.url,
    settings: simulator.application(ADDRESS),
    subscribe: () => {},
    async deliver(raw) {
      simulator.deliver(ADDRESS, raw);
      await subscriptions.settled();
    },
    until: () => Math.max(0, ...ends()),
    live: () => ends().filter((end) => end > Date.now()).length,
    says: (event) => subscriptions.lifecycle(event),
    violations,
    close: () => simulator.close(),
  };
}
