import type { MailCloud } from '../../../../simulators/mail-cloud.ts';
import type { SesSimulator } from '../../../../simulators/ses/simulator.ts';
import type { Cloud } from '../mail-clouds/clouds.ts';
import { badLine, type BadLine } from './line.ts';
import { answeredBadly, failSome, type FaultWorld } from './world.ts';

/** A vendor that calls our door, over a bad line; what it stores for us is fetched from an API that fails. */
export async function mailCloud(cloud: Cloud): Promise<FaultWorld> {
  const { simulator, settings, doorUrl } = await cloud.start();
  let line: BadLine | undefined;
  let rate = 0;
  let delivered = 0;
  return {
    settings,
    hasDoor: true,
    fail(share) {
      rate = share;
      failSome(simulator, share);
    },
    async connect(door) {
      line = await badLine(door, rate);
      simulator.connect(doorUrl(line.url));
      await subscribed(simulator);
    },
    async deliver(raw) {
      const mode = cloud.modes[delivered++ % cloud.modes.length];
      const { status, body } = await simulator.deliver(raw, { mode });
      if (status >= 300) throw new Error(`The door answered ${status} to the last: ${body}`);
    },
    failed: () =>
      answeredBadly(simulator) + Object.values(line?.happened ?? {}).reduce((sum, n) => sum + n, 0),
    violations: simulator.violations,
    async close() {
      await line?.close();
      await simulator.close();
    },
  };
}

/** A vendor that asks its door for a confirmation first asks until it has it. */
async function subscribed(simulator: MailCloud): Promise<void> {
  const { subscribe } = simulator as Partial<SesSimulator>; // SES alone has it
  if (!subscribe) return;
  for (let tries = 1; ; tries += 1) {
    try {
      return await subscribe();
    } catch (error) {
      if (tries === 20) throw error;
    }
  }
}
