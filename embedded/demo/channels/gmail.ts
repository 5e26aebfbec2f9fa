import { createGmailSimulator } from '../../../simulators/gmail/simulator.ts';
import type { DemoDoor, OpenDoor } from './door.ts';
import { violationsOf } from './violations.ts';

const TOPIC = 'projects/demo/topics/mail';
const SERVICE_ACCOUNT = 'push@demo.iam.gserviceaccount.com';
const LOOK_EVERY_SECONDS = 10;

/** Gmail, told of mail by Pub/Sub (`push`), or looked at now and then (`sweep`). */
export function gmailDoor(mode: 'push' | 'sweep', run: string): DemoDoor {
  const address = `demo-${mode}-${run}@gmail.test`;
  return { title: `Gmail ${mode}`, provider: 'gmail', address, open: () => open(mode, address) };
}

async function open(mode: 'push' | 'sweep', address: string): Promise<OpenDoor> {
  const simulator = await createGmailSimulator();
  const account = await simulator.account(address);
  const { pubsub } = simulator;
  const audience = `https://demo.example/${address}`;
  let endpoint = '';
  return {
    settings: {
      ...simulator.settingsOf(account),
      ...(mode === 'push'
        ? { pubsub_topic: TOPIC, push_audience: audience, push_service_account: SERVICE_ACCOUNT }
        : { watch_enabled: false, poll_seconds: LOOK_EVERY_SECONDS }),
    },
    connect(ingressUrl) {
      endpoint = ingressUrl;
      if (mode === 'push')
        pubsub.subscribe({ topic: TOPIC, endpoint, audience, serviceAccount: SERVICE_ACCOUNT });
    },
    deliver: async (raw) => void account.mailbox.deliver(raw),
    async repeat(raw) {
      account.mailbox.deliver(raw);
      const push = pubsub.pushes.at(-1);
      if (push) await pubsub.deliver(push);
    },
    async tamper() {
      const notification = { emailAddress: address, historyId: '1' };
      const subscription = { endpoint, audience, serviceAccount: SERVICE_ACCOUNT };
      const right = await pubsub.pushFor(subscription, notification);
      const calls = {
        'no token': { ...right, headers: { 'content-type': 'application/json' } },
        'another audience': await pubsub.pushFor(subscription, notification, { aud: 'else' }),
        'another account': await pubsub.pushFor(subscription, notification, { email: 'e@x.test' }),
        'an altered token': {
          ...right,
          headers: { ...right.headers, authorization: `${right.headers.authorization}x` },
        },
      };
      return Object.fromEntries(
        await Promise.all(
          Object.entries(calls).map(async ([what, call]) => [what, await pubsub.deliver(call)]),
        ),
      ) as Record<string, number>; // as the calls above
    },
    sent: () => account.mailbox.sent,
    reportBounce: null,
    violations: () => violationsOf(simulator),
    close: () => simulator.close(),
  };
}
