import { graphSimulator } from '../../../simulators/graph/simulator.ts';
import type { DemoDoor, OpenDoor } from './door.ts';
import { violationsOf } from './violations.ts';

const LOOK_EVERY_SECONDS = 10;

/** Microsoft 365, told of mail by change notifications (`push`), or looked at now and then (`delta`). */
export function graphDoor(mode: 'push' | 'delta', run: string): DemoDoor {
  const address = `demo-${mode}-${run}@contoso.test`;
  return {
    title: `Graph ${mode}`,
    provider: 'microsoft365',
    address,
    open: () => open(mode, address),
  };
}

async function open(mode: 'push' | 'delta', address: string): Promise<OpenDoor> {
  const simulator = await graphSimulator();
  const { subscriptions } = simulator;
  let endpoint = '';
  return {
    settings: {
      ...simulator.application(address),
      ...(mode === 'delta' && { watch_enabled: false, poll_seconds: LOOK_EVERY_SECONDS }),
    },
    connect: (ingressUrl) => void (endpoint = ingressUrl),
    deliver: async (raw) => void simulator.deliver(address, raw),
    async repeat(raw) {
      simulator.deliver(address, raw);
      await subscriptions.settled();
      const told = subscriptions.notifications.at(-1);
      if (told) await notify(told.url, told.body);
    },
    async tamper() {
      const [subscription] = subscriptions.all.values();
      const notification = (clientState: string) =>
        JSON.stringify({
          value: [
            {
              subscriptionId: subscription?.id ?? 'none',
              subscriptionExpirationDateTime: new Date(Date.now() + 3_600_000).toISOString(),
              changeType: 'created',
              clientState,
              resource: `Users/${address}/Messages/x`,
            },
          ],
        });
      const to = subscription?.notificationUrl ?? endpoint;
      const state = subscription?.clientState ?? 'none';
      return {
        'another clientState': await notify(to, notification(state.replace(/.$/, '~'))),
        'no clientState': await notify(to, notification('')),
      };
    },
    sent: () => simulator.sent(),
    reportBounce: null,
    violations: () => violationsOf(simulator),
    close: () => simulator.close(),
  };
}

async function notify(url: string, body: string): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(url, { method: 'POST', headers, body })).status;
}
