import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { TemporalTarget } from '../../config/config.ts';
import { leaveToDrain, workflowOwners, type OwnerDb } from '../../db/queries/inspection.ts';
import { mailboxWorkflowId } from '../../workflows/contracts/mailbox.ts';
import { ticketWorkflowId } from '../../workflows/contracts/ticket.ts';
import { findingsOf, looking, type Finding } from './finding.ts';

/** Looked at, of each kind, newest first: enough to see a fault that is common. */
const MOST = 300;
const AT_ONCE = 20;
/** A workflow task that was tried this often is failing, and not unlucky. */
const STUCK_ATTEMPTS = 3;
const STUCK_MS = 60_000;

const found = findingsOf('work');

type State = 'running' | 'ended' | 'missing' | 'stuck';

/** Whether every channel and open ticket has its workflow, and each of those gets on. */
export async function lookAtWorkflows(
  client: Client,
  db: OwnerDb,
  target: TemporalTarget,
): Promise<readonly Finding[]> {
  const drain = async () => {
    await client.schedule.getHandle(`${target.taskQueuePrefix}drain`).trigger();
  };
  return looking('work', 'workflows', async () => {
    const { channels, tickets } = await workflowOwners(db, MOST);
    const mailboxes = await statesOf(client, channels, ({ id, tenantId }) =>
      mailboxWorkflowId({ tenantId, channelId: id }),
    );
    const ticketFlows = await statesOf(client, tickets, ({ id, tenantId }) =>
      ticketWorkflowId({ tenantId, ticketId: id }),
    );
    return [
      missing('channels without workflow', channels.length, without(mailboxes), async (owners) => {
        await leaveToDrain(
          db,
          owners.map(({ id, tenantId, provider }) => ({
            tenantId,
            kind: 'channel',
            ref: id,
            detail: { provider, changed: false },
          })),
        );
        await drain();
      }),
      missing('tickets without workflow', tickets.length, without(ticketFlows), async (owners) => {
        await leaveToDrain(
          db,
          owners.map(({ id, tenantId }) => ({
            tenantId,
            kind: 'ticket_wake',
            ref: id,
            detail: { summary: 'Started again by the doctor' },
          })),
        );
        await drain();
      }),
      stuck([...mailboxes, ...ticketFlows]),
    ];
  });
}

interface Seen<Owner> {
  readonly owner: Owner;
  readonly workflowId: string;
  readonly state: State;
}

function without<Owner>(seen: readonly Seen<Owner>[]): Owner[] {
  return seen
    .filter(({ state }) => state === 'missing' || state === 'ended')
    .map(({ owner }) => owner);
}

function missing<Owner extends { readonly id: string }>(
  check: string,
  looked: number,
  owners: readonly Owner[],
  start: (owners: readonly Owner[]) => Promise<void>,
): Finding {
  if (owners.length === 0) return found.ok(check, `None of the ${looked} looked at`);
  const some = owners.slice(0, 5).map(({ id }) => id);
  return found.broken(check, {
    detail: `${owners.length} of ${looked}, such as ${some.join(', ')}: their clocks and answers stand still`,
    cure: 'Run this with --fix: it leaves them to the drain, which starts them.',
    fix: async () => {
      await start(owners);
      return `${owners.length} left to the drain`;
    },
  });
}

function stuck(seen: readonly Seen<unknown>[]): Finding {
  const held = seen.filter(({ state }) => state === 'stuck');
  if (held.length === 0)
    return found.ok('stuck workflows', `None of the ${seen.length} looked at has a failing task`);
  const some = held.slice(0, 5).map(({ workflowId }) => workflowId);
  return found.broken('stuck workflows', {
    detail: `${held.length} with a workflow task that fails or nobody takes: ${some.join(', ')}`,
    cure: 'Open one in the Temporal UI: WorkflowTaskFailed says why. After an upgrade it is a change that replay does not allow: go back to the release before.',
  });
}

async function statesOf<Owner>(
  client: Client,
  owners: readonly Owner[],
  idOf: (owner: Owner) => string,
): Promise<Seen<Owner>[]> {
  const seen: Seen<Owner>[] = [];
  const left = owners.values();
  const looker = async () => {
    for (const owner of left) {
      const workflowId = idOf(owner);
      seen.push({ owner, workflowId, state: await stateOf(client, workflowId) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, looker));
  return seen;
}

async function stateOf(client: Client, workflowId: string): Promise<State> {
  try {
    const { status, raw } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING') return 'ended';
    const task = raw.pendingWorkflowTask;
    const since = Number(task?.scheduledTime?.seconds ?? 0) * 1000;
    const isWaiting = task != null && since > 0 && Date.now() - since > STUCK_MS;
    return isWaiting || (task?.attempt ?? 0) >= STUCK_ATTEMPTS ? 'stuck' : 'running';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'missing';
    throw error;
  }
}
