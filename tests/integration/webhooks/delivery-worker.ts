import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundle,
} from '@temporalio/worker';
import { createDeliveryActivities } from '../../../activities/deliveries.ts';
import { connect } from '../../../db/connection.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { createGuardedNetwork } from '../../../security/ssrf-guard.ts';
import { createLogger } from '../../../telemetry/log.ts';
import { dataConverter, FAILURE_CONVERTER_PATH } from '../../../workers/temporal/data-converter.ts';
import { QUEUE } from '../../../workflows/contracts/queues.ts';

// Deliveries that fail on purpose are no news.
Runtime.install({ logger: new DefaultLogger('ERROR') });

/** Where a worker finds its servers; also handed to a worker process. */
export interface Place {
  readonly databaseUrl: string;
  readonly address: string;
  readonly namespace: string;
  readonly masterKey: string;
}

/** So small that the waits of a test are a hundredth of the real ones. */
const JITTER = 0.01;

/** A worker for deliveries alone, on real servers; loopback is permitted. */
export async function deliveryWorker(place: Place, bundle?: WorkflowBundle) {
  const connection = await NativeConnection.connect({ address: place.address });
  const keys = KeyRing.parse(place.masterKey);
  const log = createLogger('warn');
  const db = connect({ url: place.databaseUrl, poolSize: 8, log });
  const network = createGuardedNetwork({ allow: ['127.0.0.1'] });
  const worker = await Worker.create({
    connection,
    namespace: place.namespace,
    taskQueue: QUEUE.deliveries,
    workflowBundle: bundle ?? (await deliveryBundle()),
    activities: createDeliveryActivities(
      { db, keys, log, network: () => Promise.resolve(network) },
      { random: () => JITTER },
    ),
    dataConverter: dataConverter(keys),
    shutdownGraceTime: '2 seconds',
  });
  return { worker, connection, db, keys, network };
}

export function deliveryBundle(): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(
      new URL('../../../workflows/webhook-delivery.ts', import.meta.url),
    ),
    failureConverterPath: FAILURE_CONVERTER_PATH,
    logger: { trace() {}, debug() {}, info() {}, log() {}, warn() {}, error() {} },
  });
}
