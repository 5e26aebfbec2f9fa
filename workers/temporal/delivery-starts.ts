import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { Db } from '../../db/connection.ts';
import { leaveToDispatcher } from '../../db/queries/stream.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Logger } from '../../telemetry/log.ts';
import { QUEUE } from '../../workflows/contracts/queues.ts';
import type { PendingWork, WrittenDelivery } from '../../workflows/contracts/relay.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/search-attributes.ts';
import {
  REPLAY_SIGNAL,
  webhookDeliveryWorkflowId,
  webhookDeliveryWorkflowType,
  type WebhookDeliveryInput,
} from '../../workflows/contracts/webhook-delivery.ts';
import { DeliveryGate } from './delivery-gate.ts';
import { DispatcherNotice } from './dispatcher-notice.ts';
import { allBounded } from './hand-over.ts';
import { JustWritten } from './just-written.ts';
import { StartedMarks } from './started-marks.ts';

/** So many deliveries of one endpoint waiting in this process are a burst, which is left to the dispatcher. */
const BURST = 25;
/** Starts of one flush that wait for a place at once. */
const PARALLEL = 30;
const START_TIMEOUT_MS = 5_000;

type DeliveryItem = PendingWork['deliveries'][number];

export interface DeliveryStartsParts {
  readonly client: Client;
  readonly db: Db;
  readonly taskQueuePrefix: string;
  readonly log: Logger;
}

/** Starts the workflows of deliveries, a few at a time; a burst is left to the dispatcher. */
export class DeliveryStarts {
  readonly #parts: DeliveryStartsParts;
  readonly #gate = new DeliveryGate();
  readonly #marks: StartedMarks;
  readonly #notice: DispatcherNotice;
  readonly #written = new JustWritten();
  #eager: Client | null = null;
  /** This process runs deliveries, too: it hears when a first attempt has ended. */
  #hearsEnds = false;

  constructor(parts: DeliveryStartsParts) {
    this.#parts = parts;
    this.#marks = new StartedMarks(parts.db, parts.log);
    this.#notice = new DispatcherNotice(parts.db, parts.log);
  }

  startEagerlyBy(client: Client): void {
    this.#eager = client;
  }

  wakeDispatchers(): void {
    this.#notice.give();
  }

  firstAttempt(deliveryId: string, what: 'begun' | 'ended'): void {
    this.#hearsEnds = true;
    if (what === 'begun') return this.#gate.begun(deliveryId);
    this.#gate.leave(deliveryId);
    this.#marks.forget(deliveryId);
  }

  takeWritten(deliveryId: string): WrittenDelivery | null {
    return this.#written.take(deliveryId);
  }

  /** Starts what is not left to the dispatcher; returns what was thrown. */
  async start({ tenantId, deliveries, written }: PendingWork): Promise<unknown[]> {
    if (deliveries.length === 0) return [];
    if (this.#eager && written) this.#written.keep(written);
    const items = await this.#withoutBursts(tenantId as TenantId, deliveries);
    return allBounded(
      items.map((item) => () => this.#startInTurn(tenantId as TenantId, item)),
      PARALLEL,
    );
  }

  close(): void {
    this.#marks.close();
  }

  /** A burst is left to the dispatcher, where the endpoint is not pinned. */
  async #withoutBursts(
    tenantId: TenantId,
    deliveries: readonly DeliveryItem[],
  ): Promise<readonly DeliveryItem[]> {
    const first = deliveries.filter((item) => !item.pinned && !item.notBefore);
    const byEndpoint = Map.groupBy(first, (item) => item.endpointId);
    const ids = [...byEndpoint]
      .filter(([id, items]) => this.#gate.waitingFor(id) + items.length > BURST)
      .flatMap(([, items]) => items.map((item) => item.deliveryId));
    if (ids.length === 0) return deliveries;
    try {
      const left = await leaveToDispatcher(this.#parts.db, tenantId, ids);
      if (left.size > 0) this.#notice.give();
      return deliveries.filter((item) => !left.has(item.deliveryId));
    } catch (error) {
      this.#parts.log.warn(
        { tenant: tenantId, err: error },
        'a burst could not be left to the dispatcher',
      );
      return deliveries;
    }
  }

  /** At most a few first attempts are under way at once; what begins later takes no place. */
  async #startInTurn(tenantId: TenantId, item: DeliveryItem): Promise<void> {
    const { deliveryId } = item;
    if (!item.notBefore) await this.#gate.enter(deliveryId, item.endpointId);
    this.#marks.starting(tenantId, deliveryId);
    let isStarted = false;
    try {
      const { connection } = this.#eager ?? this.#parts.client;
      await connection.withDeadline(Date.now() + START_TIMEOUT_MS, () =>
        this.#startWorkflow(tenantId, item),
      );
      isStarted = true;
      this.#marks.started(deliveryId);
    } finally {
      if (!isStarted) this.#marks.forget(deliveryId);
      if (!isStarted || !this.#hearsEnds) this.#gate.leave(deliveryId);
    }
  }

  async #startWorkflow(tenantId: TenantId, item: DeliveryItem): Promise<void> {
    const input: WebhookDeliveryInput = { tenantId, deliveryId: item.deliveryId };
    const options = {
      workflowId: webhookDeliveryWorkflowId({ tenantId, ...item }),
      taskQueue: this.#parts.taskQueuePrefix + QUEUE.deliveries,
      args: [input] as [WebhookDeliveryInput],
      typedSearchAttributes: [{ key: SEARCH_ATTRIBUTES.tenant, value: tenantId }],
      priority: { fairnessKey: tenantId },
      staticSummary: `${item.type} → ${item.endpointId}`,
    };
    if (item.run > 1) {
      await this.#parts.client.workflow.signalWithStart(webhookDeliveryWorkflowType, {
        ...options,
        signal: REPLAY_SIGNAL,
        signalArgs: [],
      });
      return;
    }
    const startDelay = Math.max(0, (item.notBefore?.getTime() ?? 0) - Date.now());
    try {
      await (this.#eager ?? this.#parts.client).workflow.start(webhookDeliveryWorkflowType, {
        ...options,
        ...(startDelay > 0 ? { startDelay } : { requestEagerStart: this.#eager !== null }),
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
}
