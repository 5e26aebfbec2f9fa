import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { loadConfig } from '../../../config/config.ts';
import { inTenant } from '../../../db/connection.ts';
import { createEndpoint } from '../../../db/queries/endpoints.ts';
import { readDelivery } from '../../../db/queries/delivery-list.ts';
import { writeEvents } from '../../../db/queries/events.ts';
import { Pending } from '../../../db/queries/outbox.ts';
import { readEndpointLoad } from '../../../db/queries/stream.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import { newId } from '../../../domain/ids.ts';
import { NewWebhookEndpoint } from '../../../domain/webhook.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { createLogger } from '../../../telemetry/log.ts';
import { openDeps } from '../../../workers/deps.ts';
import { startWorkers } from '../../../workers/start.ts';
import { registerSearchAttributes } from '../../../workers/temporal/connection.ts';
import { testDatabase, testTemporal } from '../../harness/index.ts';

export type Dispatching = Awaited<ReturnType<typeof startDispatching>>;

/** The deliveries role on real servers: in this process, or in one of its own that can be killed. */
export async function startDispatching() {
  const { url } = await testDatabase();
  const { address, namespace } = await testTemporal();
  const env = {
    DATABASE_URL: url,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    POSTROOM_MASTER_KEY: KeyRing.generate(),
    POSTROOM_ALLOW_PRIVATE_TARGETS: '127.0.0.1',
    POSTROOM_LOG_LEVEL: 'error',
  };
  const deps = openDeps(loadConfig(env), createLogger('error'));
  await registerSearchAttributes(deps.client, namespace);
  const tenantId = await ensureTenant(deps.db, 'acme');
  let workers: Awaited<ReturnType<typeof startWorkers>> | undefined;
  const children: ChildProcess[] = [];

  return {
    deps,
    tenantId,

    /** Runs the role in this process. */
    async work() {
      workers = await startWorkers(deps, ['deliveries']);
    },

    /** Runs the role in a process of its own; returns once its workers poll. */
    async workApart(): Promise<ChildProcess> {
      const main = fileURLToPath(new URL('../../../workers/main.ts', import.meta.url));
      const child = spawn(process.execPath, [main, '--role', 'deliveries'], {
        env: { ...process.env, ...env, POSTROOM_LOG_LEVEL: 'info' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      children.push(child);
      await new Promise<void>((ready, failed) => {
        child.once('exit', (code) => failed(new Error(`The worker process ended with ${code}.`)));
        child.stderr.on('data', (chunk: Buffer) => {
          if (chunk.includes('"msg":"running"')) ready();
        });
      });
      return child;
    },

    makeEndpoint: (given: Partial<NewWebhookEndpoint> & { url: string }) =>
      createEndpoint(deps.db, deps.keys, tenantId, {
        secret: 'a secret for the tests',
        ...NewWebhookEndpoint.parse({ events: ['*'], ...given }),
        id: newId('endpoint'),
      }),

    /** Raises events in one transaction, as ingestion does, and hands over what they cause. */
    async raise(count: number): Promise<Pending> {
      const pending = new Pending(tenantId);
      const events = Array.from({ length: count }, (_, number) => ({
        type: 'channel.recovered' as const,
        ticketId: null,
        sequence: null,
        data: { number },
      }));
      await inTenant(deps.db, tenantId, (tx) => writeEvents(tx, pending, events));
      await deps.relay.flush(pending);
      return pending;
    },

    /** How many deliveries of an endpoint are in each state, and how many attempts they have in all. */
    async tally(endpointId: string) {
      const { rows } = await inTenant(deps.db, tenantId, (tx) =>
        sql<{ status: string; deliveries: number; attempts: number }>`
          select d.status, count(distinct d.id) as deliveries, count(a.number) as attempts
            from deliveries d left join delivery_attempts a on a.delivery_id = d.id
           where d.endpoint_id = ${endpointId} group by d.status`.execute(tx),
      );
      return Object.fromEntries(rows.map(({ status, ...counts }) => [status, counts]));
    },

    load: (endpointId: string) => readEndpointLoad(deps.db, tenantId, endpointId),
    delivery: (id: string) => readDelivery(deps.db, tenantId, id),

    async close() {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await workers?.stop();
      await deps.close();
    },
  };
}
