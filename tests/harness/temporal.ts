import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { silentProgress } from '../../embedded/progress.ts';
import { askForPart, type TemporalPart } from './parts.ts';
import { SkippingEnvironment } from './skipping-environment.ts';
import { timeSkippingServer } from './time-skipping.ts';

export interface TestTemporal {
  /** host:port */
  readonly address: string;
  readonly namespace: string;
}

const RETENTION_SECONDS = 24 * 3600;

/** A namespace for the calling test file alone, on the run's real Temporal server (about 30 ms). */
export async function testTemporal(): Promise<TestTemporal> {
  const { address } = await askForPart<TemporalPart>('temporal');
  const namespace = `test-${randomBytes(8).toString('hex')}`;
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as unknown as Long },
    });
    await untilServed(new Client({ connection, namespace }));
  } finally {
    await connection.close();
  }
  return { address, namespace };
}

/** Its frontends learn of a new namespace a moment later. */
async function untilServed(client: Client): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.workflow.getHandle('none').describe();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return;
      if (attempt === 200) throw error;
      await sleep(25);
    }
  }
}

/**
 * A time-skipping server for the calling test file alone (about 1 s), since skipping moves the clock of
 * all its workflows. End it with `teardown()`. Register search attributes on its connection first.
 */
export async function timeSkipping(): Promise<TestWorkflowEnvironment> {
  const server = await timeSkippingServer(process.env, silentProgress);
  const environment =
    'path' in server
      ? await SkippingEnvironment.start(server.path)
      : await TestWorkflowEnvironment.createTimeSkipping();
  // The server starts with its clock running away; from here on time passes only where a test lets it.
  await environment.connection.testService!.lockTimeSkipping({});
  return environment;
}
