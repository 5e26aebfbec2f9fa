import { graphSimulator } from '../../../../simulators/graph/simulator.ts';
import { mailApi, type FaultWorld } from './world.ts';

const ADDRESS = 'support@contoso.test';

export async function microsoft365(): Promise<FaultWorld> {
  const simulator = await graphSimulator();
  return mailApi(simulator, simulator.application(ADDRESS), (raw) => {
    simulator.deliver(ADDRESS, raw);
  });
}
