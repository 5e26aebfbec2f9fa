import { ScheduleNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client';
import protobuf from '@temporalio/proto';
import type { TemporalTarget } from '../../config/config.ts';
import { providers } from '../../providers/registry.ts';
import { ensureSchedules, schedules } from '../../workers/schedules.ts';
import { registerSearchAttributes } from '../../workers/temporal/connection.ts';
import { providerQueue, QUEUE } from '../../workflows/contracts/queues.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/search-attributes.ts';
import { findingsOf, looking, reasonOf, type Finding } from './finding.ts';

const { TaskQueueType } = protobuf.temporal.api.enums.v1;
const PATIENCE_MS = 10_000;
/** Oldest server with everything that the product uses (Update-with-start, start delay, priority). */
const OLDEST_SERVER = [1, 28];
const MINUTE_MS = 60_000;
/** A poll lasts a minute. */
const POLLED_WITHIN_MS = 2 * MINUTE_MS;

const found = findingsOf('temporal');

/** Whether Temporal answers, knows what it should know, runs the Schedules, and has workers to give work to. */
export async function lookAtTemporal(
  client: Client,
  target: TemporalTarget,
): Promise<readonly Finding[]> {
  let version: string;
  try {
    version = await client.connection.withDeadline(Date.now() + PATIENCE_MS, async () => {
      const info = await client.workflowService.getSystemInfo({});
      await client.workflowService.describeNamespace({ namespace: target.namespace });
      return info.serverVersion;
    });
  } catch (error) {
    return [
      found.broken('reachable', {
        detail: `Temporal does not answer at ${target.address} for namespace "${target.namespace}": ${reasonOf(error)}`,
        cure: 'Start Temporal, or mend TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE. docs/runbooks/temporal-away.md',
      }),
    ];
  }
  const looks = await client.connection.withDeadline(Date.now() + 4 * PATIENCE_MS, () =>
    Promise.all([
      looking('temporal', 'search attributes', () => searchAttributes(client, target)),
      looking('temporal', 'schedules', () => lookAtSchedules(client, target)),
      looking('temporal', 'workers', () => workers(client, target)),
    ]),
  );
  return [found.ok('reachable', `Server ${version} answers`), versionOf(version), ...looks.flat()];
}

function versionOf(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_SERVER;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor))
    return found.ok('version', `Server ${version}`);
  return found.broken('version', {
    detail: `Temporal server ${version} is too old`,
    cure: `Move to ${OLDEST_SERVER.join('.')} or newer, one minor version after the other.`,
  });
}

async function searchAttributes(client: Client, { namespace }: TemporalTarget): Promise<Finding[]> {
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({
    namespace,
  });
  const wanted = Object.values(SEARCH_ATTRIBUTES).map(({ name }) => name);
  const missing = wanted.filter((name) => customAttributes?.[name] == null);
  if (missing.length === 0)
    return [found.ok('search attributes', `All ${wanted.length} are registered`)];
  return [
    found.broken('search attributes', {
      detail: `Not registered: ${missing.join(', ')}; workflows that set them hang`,
      cure: 'Restart a process with role processes, which registers them, or run this with --fix. On Temporal Cloud: `tcld namespace search-attributes add`.',
      fix: async () => {
        await registerSearchAttributes(client, namespace);
        return 'registered';
      },
    }),
  ];
}

async function lookAtSchedules(client: Client, target: TemporalTarget): Promise<Finding[]> {
  const fix = async () => {
    await ensureSchedules(client, target);
    return 'made as declared';
  };
  return Promise.all(
    schedules(target).map(async ({ scheduleId }): Promise<Finding> => {
      const check = `schedule ${scheduleId}`;
      try {
        const described = await client.schedule.getHandle(scheduleId).describe();
        return onTime(check, described, () => resume(client, scheduleId));
      } catch (error) {
        if (!(error instanceof ScheduleNotFoundError)) throw error;
        return found.broken(check, {
          detail: 'It is missing: what it does is not done',
          cure: 'Start a process with role processes, which makes it, or run this with --fix.',
          fix,
        });
      }
    }),
  );
}

async function resume(client: Client, scheduleId: string): Promise<string> {
  await client.schedule.getHandle(scheduleId).unpause('by the doctor');
  return 'goes on';
}

function onTime(
  check: string,
  { info, state, spec }: ScheduleDescription,
  fix: () => Promise<string>,
): Finding {
  if (state.paused)
    return found.broken(check, {
      detail: `It is paused${state.note ? `: ${state.note}` : ''}`,
      cure: `\`temporal schedule toggle --unpause\`, or run this with --fix.`,
      fix,
    });
  const every = Math.max(...(spec.intervals ?? []).map((interval) => interval.every));
  const next = info.nextActionTimes[0];
  const last = info.recentActions.at(-1)?.takenAt ?? null;
  const now = Date.now();
  if (next && next.getTime() < now - MINUTE_MS)
    return found.broken(check, {
      detail: `It was due at ${next.toISOString()} by Temporal’s clock and has not begun`,
      cure: 'Compare the clock of the Temporal server with this machine’s; look at the server’s own health.',
    });
  if (next && next.getTime() > now + every + MINUTE_MS)
    return found.broken(check, {
      detail: `It is next due at ${next.toISOString()}, further off than its interval: the clocks differ`,
      cure: 'Let the Temporal server and this machine take their time from NTP.',
    });
  const quiet = now - Math.max(last?.getTime() ?? 0, info.createdAt.getTime());
  if (quiet > 3 * every)
    return found.warning(check, {
      detail: `It last began ${last ? last.toISOString() : 'never'}, ${Math.round(quiet / MINUTE_MS)} minutes ago`,
      cure: 'Right after a long stop, wait for its next turn; else look at its page in the Temporal UI.',
    });
  return found.ok(
    check,
    `Next at ${next?.toISOString() ?? 'none'}, last ${last?.toISOString() ?? 'none yet'}`,
  );
}

/** A queue that nobody polls keeps its work for ever. */
async function workers(client: Client, target: TemporalTarget): Promise<Finding[]> {
  const { TASK_QUEUE_TYPE_WORKFLOW: forWorkflows, TASK_QUEUE_TYPE_ACTIVITY: forActivities } =
    TaskQueueType;
  const queues = [
    ...[QUEUE.mailboxes, QUEUE.tickets, QUEUE.deliveries, QUEUE.processes].map((queue) => ({
      queue,
      type: forWorkflows,
    })),
    { queue: QUEUE.waits, type: forActivities },
    { queue: QUEUE.dispatch, type: forActivities },
    ...providers.map(({ manifest }) => ({
      queue: providerQueue(manifest.name),
      type: forActivities,
    })),
  ];
  const unpolled: string[] = [];
  await Promise.all(
    queues.map(async ({ queue, type }) => {
      const { pollers } = await client.workflowService.describeTaskQueue({
        namespace: target.namespace,
        taskQueue: { name: target.taskQueuePrefix + queue },
        taskQueueType: type,
      });
      // The server goes on listing a worker for minutes after its end.
      const since = Date.now() - POLLED_WITHIN_MS;
      const polls = (pollers ?? []).some(
        ({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 > since,
      );
      if (!polls) unpolled.push(queue);
    }),
  );
  if (unpolled.length === 0) return [found.ok('workers', `All ${queues.length} queues are polled`)];
  return [
    found.broken('workers', {
      detail: `Nobody polls ${unpolled.sort().join(', ')}`,
      cure: 'Start a process with the role that serves it. docs/runbooks/worker-not-polling.md',
    }),
  ];
}
