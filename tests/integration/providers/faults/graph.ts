import { graphSimulator } from '../../../../simulators/graph/simulator.ts';
import { answeredBadly, failSome, type FaultWorld } from './world.ts';

const ADDRESS = 'support@example.test';

/** A mailbox of Microsoft 365, whose change notifications reach our door where they do. */
export async function graph(): Promise<FaultWorld> {
  const simulator = await graphSimulator();
  return {
    settings: {
      ...simulator.application(ADDRESS),
      import_since: '2020-01-01',
      // No fault of silence is waited out for long.
      timeout_seconds: 2,
    },
    hasDoor: false,
    fail: (rate) => failSome(simulator, rate),
    connect: () => Promise.resolve(),
    deliver: (raw) => Promise.resolve(void simulator.deliver(ADDRESS, raw)),
    failed: () => answeredBadly(simulator),
    violations: simulator.violations,
    close: () => simulator.close(),
  };
}
