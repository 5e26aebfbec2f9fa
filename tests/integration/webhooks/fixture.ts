import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { loadConfig } from '../../../config/config.ts';
import { inTenant, type Db } from '../../../db/connection.ts';
import { createEndpoint } from '../../../db/queries/endpoints.ts';
import { readDelivery, type ListedDelivery } from '../../../db/queries/delivery-list.ts';
import { writeEvents } from '../../../db/queries/events.ts';
import { Pending } from '../../../db/queries/outbox.ts';
import { ensureTenant } from '../../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../../domain/ids.ts';
import { NewWebhookEndpoint } from '../../../domain/webhook.ts';
import { KeyRing } from '../../../security/key-ring.ts';
import { createLogger } from '../../../telemetry/log.ts';
import { registerSearchAttributes } from '../../../workers/temporal/connection.ts';
import { dataConverter } from '../../../workers/temporal/data-converter.ts';
import { TemporalRelay } from '../../../workers/temporal/relay.ts';
import { webhookDeliveryWorkflowId } from '../../../workflows/contracts/webhook-delivery.ts';
import { testDatabase, testTemporal } from '../../harness/index.ts';
import { deliveryBundle, deliveryWorker, type Place } from './delivery-worker.ts';

export type Webhooks = Awaited<ReturnType<typeof startWebhooks>>;

/** Everything that a delivery needs, but for the receiver. */
export async function startWebhooks() {
  const { url: databaseUrl } = await testDatabase();
  const { address, namespace } = await testTemporal();
  const place: Place = { databaseUrl, address, namespace, masterKey: KeyRing.generate() };
  const bundle = await deliveryBundle();
  const { worker, connection, db, keys, network } = await deliveryWorker(place, bundle);
  const client = new Client({ connection, namespace, dataConverter: dataConverter(keys) });
  await registerSearchAttributes(client, namespace);
  const { temporal } = loadConfig({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
  const relay = new TemporalRelay(client, db, temporal, createLogger('warn'));
  const tenantId = await ensureTenant(db, 'acme');
  let running = worker.run();

  return {
    place,
    db,
    keys,
    relay,
    client,
    tenantId,

    makeEndpoint: (given: Partial<NewWebhookEndpoint> & { url: string }) =>
      createEndpoint(db, keys, tenantId, {
        secret: 'a secret for the tests',
        ...NewWebhookEndpoint.parse({ events: ['*'], ...given }),
        id: newId('endpoint'),
      }),

    /** Raises an event, as any transaction does; returns its deliveries. */
    async raise(data: Record<string, unknown> = {}): Promise<Pending> {
      const pending = new Pending(tenantId);
      await inTenant(db, tenantId, (tx) =>
        writeEvents(tx, pending, [
          { type: 'channel.recovered', ticketId: null, sequence: null, data },
        ]),
      );
      return pending;
    },

    delivery: (id: string) => settled(db, tenantId, id),

    /** The workflow's end and how long its history is. */
    async workflowOf(item: Pending['deliveries'][number]) {
      const handle = client.workflow.getHandle(webhookDeliveryWorkflowId({ tenantId, ...item }));
      const outcome = await handle.result().then(
        () => 'completed',
        (error: Error) => error,
      );
      const { events } = await handle.fetchHistory();
      return { outcome, events: events?.length ?? 0, handle };
    },

    /** Waits until the workflow has handed over to its second activity. */
    async pendingActivityOf(item: Pending['deliveries'][number]) {
      const handle = client.workflow.getHandle(webhookDeliveryWorkflowId({ tenantId, ...item }));
      for (;;) {
        const [activity] = (await handle.describe()).raw.pendingActivities ?? [];
        if (activity?.nextAttemptScheduleTime) return { handle };
        await sleep(100);
      }
    },

    /** The real workflow over attempts that a test plays. */
    playedWorker: (taskQueue: string, activities: object) =>
      Worker.create({
        connection,
        namespace,
        taskQueue,
        workflowBundle: bundle,
        activities,
        dataConverter: dataConverter(keys),
      }),

    /** As if every writer had crashed long ago. */
    endLeases: () =>
      inTenant(db, tenantId, (tx) =>
        tx
          .updateTable('deliveries')
          .set({ leased_until: new Date(0) })
          .execute(),
      ),

    async stopWorker() {
      worker.shutdown();
      await running;
    },

    async close() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await running;
      running = Promise.resolve();
      relay.close();
      await network.close();
      await connection.close();
      await db.destroy();
    },
  };
}

async function settled(db: Db, tenantId: TenantId, id: string): Promise<ListedDelivery> {
  return (await readDelivery(db, tenantId, id))!;
}
