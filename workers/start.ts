import { Client } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker, type NativeConnection } from '@temporalio/worker';
import type { ReadinessPart } from '../api/deps.ts';
import type { ProviderOptions } from '../activities/provider-options.ts';
import type { OpenDeps } from './deps.ts';
import { queuesOf, type QueueSpec, type Role } from './roles.ts';
import { ensureSchedules } from './schedules.ts';
import { drainNow, reconcileChannels } from '../activities/drain.ts';
import { startDrainLoop } from './drain-loop.ts';
import { workflowBundle } from './temporal/bundle.ts';
import { connectWorkers, registerSearchAttributes } from './temporal/connection.ts';
import { dataConverter } from './temporal/data-converter.ts';

export interface RunningWorkers {
  /** Rejects when a worker ends by itself: the process is then to end. */
  readonly failed: Promise<never>;
  readonly readiness: () => Promise<ReadinessPart[]>;
  stop(): Promise<void>;
}

const GRACE = '3 seconds';
const FORCE = '6 seconds';

/**
 * Starts the workers of these roles; returns once they poll.
 * @param options of what they ask of providers; default the product's own
 */
export async function startWorkers(
  deps: OpenDeps,
  roles: readonly Role[],
  options: ProviderOptions = {},
): Promise<RunningWorkers> {
  installRuntime(deps);
  const [connection, bundle] = await Promise.all([
    connectWorkers(deps.config.temporal),
    workflowBundle(),
  ]);
  await registerSearchAttributes(deps.client, deps.config.temporal.namespace);
  deps.relay.startEagerlyBy(
    new Client({
      connection,
      namespace: deps.config.temporal.namespace,
      dataConverter: dataConverter(deps.keys),
    }),
  );
  const specs = roles.flatMap((role) => queuesOf(role, deps, options));
  const workers = await Promise.all(
    specs.map((spec) => createWorker(deps, connection, bundle, spec)),
  );
  const runs = workers.map((worker) => worker.run());
  const failed = firstFailure(runs, specs);
  let endDrain = () => Promise.resolve();
  if (roles.includes('deliveries')) await deps.relay.startDispatchers();
  if (roles.includes('processes')) {
    await ensureSchedules(deps.client, deps.config.temporal);
    await reconcileChannels(deps);
    await drainNow(deps);
    endDrain = startDrainLoop(deps);
  }
  return {
    failed,
    readiness: async () => workers.map((worker, index) => partOf(worker, specs[index]!)),
    async stop() {
      await endDrain();
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
      await connection.close();
    },
  };
}

let installed = false;

function installRuntime({ log, config }: OpenDeps): void {
  if (installed) return;
  installed = true;
  const logger = new DefaultLogger('WARN', ({ level, message, meta }) => {
    const { error, ...rest } = meta ?? {};
    log[level === 'ERROR' ? 'error' : 'warn'](
      { temporal: rest, ...(error === undefined ? {} : { err: error }) },
      message,
    );
  });
  // Signals are the process's own business: it stops the doors first, then the workers.
  Runtime.install({
    logger,
    shutdownSignals: [],
    ...(config.temporalMetricsPort === undefined
      ? {}
      : {
          telemetryOptions: {
            metrics: {
              prometheus: {
                bindAddress: `${config.host}:${config.temporalMetricsPort}`,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
          },
        }),
  });
}

function createWorker(
  deps: OpenDeps,
  connection: NativeConnection,
  bundle: { code: string },
  { queue, workflows, activities, width }: QueueSpec,
): Promise<Worker> {
  const { namespace, taskQueuePrefix } = deps.config.temporal;
  return Worker.create({
    connection,
    namespace,
    taskQueue: taskQueuePrefix + queue,
    identity: `${process.pid}@${queue}`,
    dataConverter: dataConverter(deps.keys),
    activities: { ...activities },
    maxConcurrentActivityTaskExecutions: width,
    maxHeartbeatThrottleInterval: '5 seconds',
    defaultHeartbeatThrottleInterval: '5 seconds',
    shutdownGraceTime: GRACE,
    shutdownForceTime: FORCE,
    ...(workflows
      ? {
          workflowBundle: bundle,
          workflowThreadPoolSize: 1,
          maxCachedWorkflows: 300,
          maxConcurrentWorkflowTaskExecutions: 40,
        }
      : {}),
  });
}

async function firstFailure(
  runs: readonly Promise<void>[],
  specs: readonly QueueSpec[],
): Promise<never> {
  const failing = runs.map(async (run, index) => {
    try {
      await run;
    } catch (error) {
      throw new Error(`The worker of queue ${specs[index]!.queue} failed: ${String(error)}`, {
        cause: error,
      });
    }
    return new Promise<never>(() => {});
  });
  const failure = Promise.race(failing);
  failure.catch(() => {});
  return failure;
}

function partOf(worker: Worker, { queue, workflows }: QueueSpec): ReadinessPart {
  const status = worker.getStatus();
  const polling =
    status.activityPollerState === 'POLLING' &&
    (!workflows || status.workflowPollerState === 'POLLING');
  const ok = status.runState === 'RUNNING' && polling;
  return {
    name: `worker ${queue}`,
    ok,
    detail: ok
      ? ''
      : `It is ${status.runState.toLowerCase()} and does not poll; restart this process if it stays so.`,
  };
}
