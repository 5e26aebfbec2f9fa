// A worker of its own process, for tests that kill it. Argument: its Place as JSON.
import { deliveryWorker, type Place } from './delivery-worker.ts';

const { worker } = await deliveryWorker(JSON.parse(process.argv[2]!) as Place);
process.stdout.write('ready\n');
await worker.run();
