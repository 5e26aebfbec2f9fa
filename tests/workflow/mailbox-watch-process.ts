// Workers of the mailbox workflow and of two providers' activities, in a process of their own that is killed at will. It
// tells of each moment it comes to, learns the server's time by that, and may not live to hear it. Argument: its Post as JSON.
import type { Deps } from '../../activities/deps.ts';
import { clockIs, moveClock } from './mailbox-watch-clock.ts';

moveClock();
const { DefaultLogger, NativeConnection, Runtime, Worker } = await import('@temporalio/worker');
const { loadConfig } = await import('../../config/config.ts');
const { createLogger } = await import('../../telemetry/log.ts');
const { openDeps } = await import('../../workers/deps.ts');
const { queuesOf } = await import('../../workers/roles.ts');
const { dataConverter } = await import('../../workers/temporal/data-converter.ts');
const { providerQueue } = await import('../../workflows/contracts/queues.ts');

export interface Post {
  readonly env: Readonly<Record<string, string>>;
  /** Where it tells of its moments: POST, answered with the server's time in milliseconds. */
  readonly overseer: string;
  /** File of the workflow bundle. */
  readonly bundle: string;
  readonly providers: readonly string[];
}

const { env, overseer, bundle, providers } = JSON.parse(process.argv[2]!) as Post;
Runtime.install({ logger: new DefaultLogger('ERROR') });
const opened = openDeps(loadConfig(env), createLogger('error'));
const deps: Deps = {
  ...opened,
  // Tickets are none of this story: what is left for Temporal stays in the outbox.
  relay: {
    flush: () => Promise.resolve(),
    command: () => Promise.reject(new Error('no command is expected here')),
    workflowUrl: (id) => id,
  },
};

async function moment(what: string): Promise<void> {
  const answer = await fetch(overseer, { method: 'POST', body: what });
  clockIs(Number(await answer.text()));
}

const connection = await NativeConnection.connect({ address: env.TEMPORAL_ADDRESS! });
const queues = new Set(providers.map(providerQueue));
const specs = [
  ...queuesOf('mailboxes', deps),
  ...queuesOf('providers', deps).filter(({ queue }) => queues.has(queue)),
];
const workers = await Promise.all(
  specs.map(({ queue, workflows, activities, width }) =>
    Worker.create({
      connection,
      namespace: env.TEMPORAL_NAMESPACE!,
      taskQueue: queue,
      dataConverter: dataConverter(deps.keys),
      activities: { ...activities },
      maxConcurrentActivityTaskExecutions: width,
      maxHeartbeatThrottleInterval: '1 second',
      defaultHeartbeatThrottleInterval: '1 second',
      interceptors: {
        activity: [
          ({ info: { activityType } }) => ({
            inbound: {
              async execute(input, next) {
                await moment(`${activityType} begins`);
                const result = await next(input);
                await moment(`${activityType} ends`);
                return result;
              },
            },
          }),
        ],
      },
      // This server never takes back a task that it kept for the worker that knows the workflow: so none does.
      ...(workflows ? { workflowBundle: { codePath: bundle }, maxCachedWorkflows: 0 } : {}),
    }),
  ),
);
await moment('the process begins');
await Promise.all(workers.map((worker) => worker.run()));
