import { createGmailSimulator } from '../../../../simulators/gmail/simulator.ts';
import { mailApi, type FaultWorld } from './world.ts';

export async function gmail(): Promise<FaultWorld> {
  const simulator = await createGmailSimulator();
  const account = await simulator.account('support@gmail.test');
  const world = mailApi(simulator, simulator.settingsOf(account), (raw) => {
    account.mailbox.deliver(raw);
  });
  return { ...world, failed: () => world.failed() + simulator.batched.failed };
}
