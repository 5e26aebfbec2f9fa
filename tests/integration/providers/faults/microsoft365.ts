import { graphSimulator } from '../../../../simulators/graph/simulator.ts';
import { answeredBadly, mailApi, type FaultWorld } from './world.ts';

const ADDRESS = 'support@contoso.test';

export async function microsoft365(): Promise<FaultWorld> {
  const simulator = await graphSimulator();
  const world = mailApi(simulator, simulator.application(ADDRESS), (raw) => {
    simulator.deliver(ADDRESS, raw);
  });
  return { ...world, failed: () => world.failed() + answeredBadly(simulator.batched) };
}
