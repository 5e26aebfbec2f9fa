import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type Client,
} from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import type { TemporalTarget } from '../../config/config.ts';
import type { Db } from '../../db/connection.ts';
import { clearOutbox } from '../../db/queries/outbox.ts';
import type { OutboxKind } from '../../db/schema.ts';
import type { TenantId } from '../../domain/ids.ts';
import type { Logger } from '../../telemetry/log.ts';
import {
  CHANGED_SIGNAL,
  mailboxWorkflowId,
  mailboxWorkflowType,
  NUDGE_SIGNAL,
  type MailboxInput,
  type MailboxNews,
} from '../../workflows/contracts/mailbox.ts';
import { QUEUE } from '../../workflows/contracts/queues.ts';
import {
  TemporalUnavailable,
  type ChannelNews,
  type PendingWork,
  type Relay,
  type WrittenDelivery,
} from '../../workflows/contracts/relay.ts';
import {
  scheduledMessageWorkflowId,
  scheduledMessageWorkflowType,
  type ScheduledInput,
  type ScheduledRef,
} from '../../workflows/contracts/scheduled-message.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/search-attributes.ts';
import {
  ticketWorkflowId,
  ticketWorkflowType,
  WAKE_SIGNAL,
  type CommandOutcome,
  type CommandRef,
  type CommandUpdate,
  type TicketInput,
  type TicketRef,
} from '../../workflows/contracts/ticket.ts';
import {
  DISPATCHERS,
  webhookDispatcherWorkflowId,
  webhookDispatcherWorkflowType,
} from '../../workflows/contracts/webhook-dispatcher.ts';
import { DeliveryStarts } from './delivery-starts.ts';
import { allBounded, isAway } from './hand-over.ts';

/** A ticket without any deadline still has its workflow: asleep until something happens. */
const NO_DEADLINE_DELAY_MS = 365 * 24 * 3600 * 1000;
/** Starts under way at once: more reach the server's limit no sooner. */
const PARALLEL = 30;
/** The same where doors are to be kept waiting as little as can be. */
const GENTLY = 2;
const COMMAND_TIMEOUT_MS = 20_000;

/** Longest wait for one call while handing over. */
const HAND_OVER_TIMEOUT_MS = 5_000;
/** Temporal did not answer: nobody waits for it again before this. */
const AWAY_MS = 2_000;
/** Work kept in memory for when Temporal is back; beyond it the drain alone remembers. */
const MOST_LEFT = 1_000;
const MOST_REFUSALS = 5;

type Done = { kind: OutboxKind; ref: string; version: number };

/** Hands committed work to Temporal. What fails stays in Postgres, where the drain finds it. */
export class TemporalRelay implements Relay {
  readonly #client: Client;
  readonly #db: Db;
  readonly #target: TemporalTarget;
  readonly #log: Logger;
  readonly #deliveries: DeliveryStarts;
  #awayUntil = 0;
  #left: PendingWork[] = [];
  readonly #refusals = new WeakMap<PendingWork, number>();
  #again: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(client: Client, db: Db, target: TemporalTarget, log: Logger) {
    this.#client = client;
    this.#db = db;
    this.#target = target;
    this.#log = log;
    const { taskQueuePrefix } = target;
    this.#deliveries = new DeliveryStarts({ client, db, taskQueuePrefix, log });
  }

  /** In a process that also runs workers: starts through their connection skip the first round trip. */
  startEagerlyBy(client: Client): void {
    this.#deliveries.startEagerlyBy(client);
  }

  /** Temporal did not answer a moment ago; what is flushed meanwhile is kept. */
  isAway(): boolean {
    return Date.now() < this.#awayUntil;
  }

  firstAttempt(deliveryId: string, what: 'begun' | 'ended'): void {
    this.#deliveries.firstAttempt(deliveryId, what);
  }

  takeWritten(deliveryId: string): WrittenDelivery | null {
    return this.#deliveries.takeWritten(deliveryId);
  }

  async flush(work: PendingWork, { whole = false, gently = false } = {}): Promise<void> {
    if (work.streamed) this.#deliveries.wakeDispatchers();
    if (this.isAway()) return this.#leave(work);
    const done: Done[] = [];
    const steps = [
      ...[...work.ticketStarts].map(([ref, item]) => async () => {
        await this.#startTicket(work.tenantId, ref, item);
        done.push({ kind: 'ticket_start', ref, version: item.version });
      }),
      ...[...work.ticketWakes]
        .filter(([ref]) => !work.ticketStarts.has(ref))
        .map(([ref, item]) => async () => {
          await this.#wakeTicket(work.tenantId, ref, item.summary);
          done.push({ kind: 'ticket_wake', ref, version: item.version });
        }),
      ...[...work.channels].map(([ref, item]) => async () => {
        await this.#signalChannel(work.tenantId, ref, item);
        done.push({ kind: 'channel', ref, version: item.version });
      }),
    ];
    const failures = await allBounded(
      steps.map((step) => () => this.#bounded(step)),
      gently ? GENTLY : PARALLEL,
    );
    const starting = failures.some(isAway) ? null : this.#startDeliveries(work);
    if (failures.length > 0) this.#notTaken(work, failures);
    // A wake of a ticket that is being started is carried by the start: its workflow reads everything anew.
    for (const [ref, item] of work.ticketWakes) {
      if (
        work.ticketStarts.has(ref) &&
        done.some((row) => row.kind === 'ticket_start' && row.ref === ref)
      ) {
        done.push({ kind: 'ticket_wake', ref, version: item.version });
      }
    }
    try {
      await clearOutbox(this.#db, work.tenantId as TenantId, done);
    } catch (error) {
      this.#log.warn(
        { tenant: work.tenantId, err: error },
        'the outbox could not be cleared; its work will be handed over once more, without effect',
      );
    }
    if (whole) await starting;
  }

  async #startDeliveries(work: PendingWork): Promise<void> {
    const failures = await this.#deliveries.start(work);
    if (failures.length > 0) this.#notTaken(work, failures);
  }

  #notTaken(work: PendingWork, failures: readonly unknown[]): void {
    if (this.#isClosed) return;
    if (failures.some(isAway)) this.#awayUntil = Date.now() + AWAY_MS;
    this.#leave(work);
    this.#log.warn(
      { tenant: work.tenantId, left: failures.length, err: failures[0] },
      'Temporal did not take all of it; the drain will hand over the rest',
    );
  }

  /** Stops trying; what is left stands in Postgres. */
  close(): void {
    this.#isClosed = true;
    this.#deliveries.close();
    if (this.#again) clearTimeout(this.#again);
    this.#again = null;
    this.#left = [];
  }

  /**
   * Kept for when Temporal is back, so that its return is noticed within seconds. What it refuses though it is there (a
   * server that has just started may) is tried a few times, and then left to the drain.
   */
  #leave(work: PendingWork): void {
    const refusals = this.isAway() ? 0 : (this.#refusals.get(work) ?? 0) + 1;
    this.#refusals.set(work, refusals);
    if (refusals > MOST_REFUSALS || this.#left.length >= MOST_LEFT) return;
    this.#left.push(work);
    this.#again ??= setTimeout(() => void this.#tryAgain(), AWAY_MS).unref();
  }

  async #tryAgain(): Promise<void> {
    const left = this.#left;
    this.#again = null;
    this.#left = [];
    this.#awayUntil = 0;
    for (const work of left) await this.flush(work, { whole: true });
  }

  #bounded<T>(work: () => Promise<T>): Promise<T> {
    return this.#client.connection.withDeadline(Date.now() + HAND_OVER_TIMEOUT_MS, work);
  }

  /** The dispatchers live for ever; a process that works for them makes sure that they do, and so does the drain. */
  async startDispatchers(): Promise<void> {
    for (const place of DISPATCHERS)
      await this.#client.workflow.start(webhookDispatcherWorkflowType, {
        workflowId: this.#target.taskQueuePrefix + webhookDispatcherWorkflowId(place),
        taskQueue: this.#queue(QUEUE.deliveries),
        args: [],
        workflowIdConflictPolicy: 'USE_EXISTING',
        staticSummary: 'Webhook dispatcher: first attempts in batches',
      });
  }

  async command(ref: TicketRef, update: CommandUpdate, commandId: string): Promise<CommandOutcome> {
    const start = new WithStartWorkflowOperation(ticketWorkflowType, {
      ...this.#ticketOptions(ref),
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
    try {
      return await this.#client.connection.withDeadline(Date.now() + COMMAND_TIMEOUT_MS, () =>
        this.#client.workflow.executeUpdateWithStart<Workflow, CommandOutcome, [CommandRef]>(
          update,
          {
            startWorkflowOperation: start,
            updateId: commandId,
            args: [{ commandId }],
          },
        ),
      );
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError) throw error;
      throw new TemporalUnavailable(
        'The ticket’s workflow did not answer in time. Send it again in a moment; a POST with the same Idempotency-Key, so that it is done once.',
        { cause: error },
      );
    }
  }

  async startScheduled(message: ScheduledInput): Promise<void> {
    await this.#bounded(() =>
      this.#client.workflow.start(scheduledMessageWorkflowType, {
        workflowId: scheduledMessageWorkflowId(message),
        taskQueue: this.#queue(QUEUE.processes),
        args: [message],
        startDelay: Math.max(0, Date.parse(message.sendAt) - Date.now()),
        workflowIdConflictPolicy: 'USE_EXISTING',
        typedSearchAttributes: [{ key: SEARCH_ATTRIBUTES.tenant, value: message.tenantId }],
        priority: { fairnessKey: message.tenantId },
        staticSummary: `Scheduled message: to be sent at ${message.sendAt}`,
      }),
    );
  }

  async cancelScheduled(ref: ScheduledRef): Promise<void> {
    const handle = this.#client.workflow.getHandle(scheduledMessageWorkflowId(ref));
    try {
      await this.#bounded(() => handle.cancel());
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }

  workflowUrl(workflowId: string): string {
    return `${this.#target.uiUrl}/namespaces/${encodeURIComponent(this.#target.namespace)}/workflows/${encodeURIComponent(workflowId)}`;
  }

  #queue(name: string): string {
    return this.#target.taskQueuePrefix + name;
  }

  #ticketOptions(ref: TicketRef, summary?: string) {
    const input: TicketInput = { tenantId: ref.tenantId, ticketId: ref.ticketId };
    return {
      workflowId: ticketWorkflowId(ref),
      taskQueue: this.#queue(QUEUE.tickets),
      args: [input] as [TicketInput],
      typedSearchAttributes: [{ key: SEARCH_ATTRIBUTES.tenant, value: ref.tenantId }],
      priority: { fairnessKey: ref.tenantId },
      ...(summary ? { staticSummary: summary } : {}),
    };
  }

  /** Asleep until its first deadline: one event, no task. A ticket whose workflow runs already is only woken. */
  async #startTicket(
    tenantId: string,
    ticketId: string,
    item: { wakeAt: string | null; summary: string },
  ): Promise<void> {
    const delay =
      item.wakeAt === null
        ? NO_DEADLINE_DELAY_MS
        : Math.max(0, Date.parse(item.wakeAt) - Date.now());
    try {
      await this.#client.workflow.start(ticketWorkflowType, {
        ...this.#ticketOptions({ tenantId, ticketId }, item.summary),
        startDelay: delay,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      await this.#wakeTicket(tenantId, ticketId, item.summary);
    }
  }

  async #wakeTicket(tenantId: string, ticketId: string, summary: string): Promise<void> {
    await this.#client.workflow.signalWithStart(ticketWorkflowType, {
      ...this.#ticketOptions({ tenantId, ticketId }, summary),
      signal: WAKE_SIGNAL,
      signalArgs: [],
    });
  }

  async #signalChannel(tenantId: string, channelId: string, item: ChannelNews): Promise<void> {
    const input: MailboxInput = { tenantId, channelId, provider: item.provider };
    const news: MailboxNews[] = item.push ? [{ push: true, renew: item.renew ?? false }] : [];
    await this.#client.workflow.signalWithStart(mailboxWorkflowType, {
      workflowId: mailboxWorkflowId(input),
      taskQueue: this.#queue(QUEUE.mailboxes),
      args: [input],
      signal: item.changed ? CHANGED_SIGNAL : NUDGE_SIGNAL,
      signalArgs: news,
      typedSearchAttributes: [
        { key: SEARCH_ATTRIBUTES.tenant, value: tenantId },
        { key: SEARCH_ATTRIBUTES.provider, value: item.provider },
      ],
      priority: { fairnessKey: tenantId },
      staticSummary: `Mailbox (${item.provider})`,
    });
  }
}
