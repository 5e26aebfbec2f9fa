import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { Agent, request } from 'undici';
import { newId } from '../domain/ids.ts';
import { webhookHeaders } from '../security/webhook-signature.ts';
import { workflowBundle } from '../workers/temporal/bundle.ts';
import { dataConverter } from '../workers/temporal/data-converter.ts';
import { webhookDeliveryWorkflowType } from '../workflows/contracts/webhook-delivery.ts';
import { now } from './delivery-messages.ts';
import type { Stage } from './stage.ts';
import { cpuBetween, cpuOf } from './usage.ts';

const POSTS_AT_ONCE = 50;
const WORKFLOWS_AT_ONCE = 20;
const QUEUE = 'bare';

export interface Ceiling {
  readonly rate: number;
  /** Milliseconds each; the receiver's not counted. */
  readonly cpu: number;
}

/** The same bodies, signed alike, posted over kept connections and forgotten. */
export async function plainPosts(url: string, secret: string, count: number): Promise<Ceiling> {
  const agent = new Agent({ connections: POSTS_AT_ONCE });
  const event = {
    type: 'channel.recovered',
    timestamp: new Date().toISOString(),
    sequence: null,
    ticket_id: null,
    data: { filler: 'x'.repeat(860) },
  };
  const cpu = process.cpuUsage();
  const began = now();
  await shared(count, POSTS_AT_ONCE, async () => {
    const id = newId('event');
    const body = JSON.stringify({ id, ...event });
    const headers = webhookHeaders(secret, { id, sentAt: new Date(), body });
    const answer = await request(url, { method: 'POST', dispatcher: agent, headers, body });
    await answer.body.dump();
  });
  const seconds = (now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await agent.close();
  return { rate: count / seconds, cpu: (user + system) / 1000 / count };
}

/** The delivery workflow around an attempt that does nothing: eager start, one local activity; Temporal's CPU included. */
export async function bareWorkflows({ deps }: Stage, count: number): Promise<Ceiling> {
  const { namespace, address } = deps.config.temporal;
  const connection = await NativeConnection.connect({ address });
  const converter = dataConverter(deps.keys);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: QUEUE,
    workflowBundle: await workflowBundle(),
    activities: { deliverFirst: async () => 'delivered' },
    dataConverter: converter,
    workflowThreadPoolSize: 1,
    maxCachedWorkflows: 300,
    maxConcurrentWorkflowTaskExecutions: 40,
  });
  const running = worker.run();
  const client = new Client({ connection, namespace, dataConverter: converter });
  const deliver = async () => {
    const handle = await client.workflow.start(webhookDeliveryWorkflowType, {
      workflowId: `${QUEUE}/${newId('delivery')}`,
      taskQueue: QUEUE,
      args: [{ tenantId: 'none', deliveryId: 'none' }],
      requestEagerStart: true,
    });
    await handle.result();
  };
  await shared(50, WORKFLOWS_AT_ONCE, deliver);
  const before = cpuOf([process.pid]);
  const own = process.cpuUsage();
  const began = now();
  await shared(count, WORKFLOWS_AT_ONCE, deliver);
  const seconds = (now() - began) / 1000;
  await sleep(500);
  const { user, system } = process.cpuUsage(own);
  const { temporal } = cpuBetween(before, cpuOf([process.pid]));
  worker.shutdown();
  await running;
  await connection.close();
  return { rate: count / seconds, cpu: ((user + system) / 1000 + temporal) / count };
}

async function shared(count: number, width: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: width }, worker));
}
