import { createGmailSimulator } from '../../../../simulators/gmail/simulator.ts';
import { mailApi, type FaultWorld } from './world.ts';

const TOPIC = 'projects/simulated/topics/gmail';
const SERVICE_ACCOUNT = 'push@simulated.iam.gserviceaccount.com';

export async function gmail(): Promise<FaultWorld> {
  const simulator = await createGmailSimulator();
  const account = await simulator.account('support@gmail.test');
  const settings = {
    ...simulator.settingsOf(account),
    pubsub_topic: TOPIC,
    push_service_account: SERVICE_ACCOUNT,
  };
  const world = mailApi(
    simulator,
    settings,
    (raw) => void account.mailbox.deliver(raw),
    (endpoint) =>
      simulator.pubsub.subscribe({
        topic: TOPIC,
        endpoint,
        audience: endpoint,
        serviceAccount: SERVICE_ACCOUNT,
      }),
  );
  return { ...world, failed: () => world.failed() + simulator.batched.failed };
}
