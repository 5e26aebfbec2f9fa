import { ApplicationFailure, Context } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import {
  holdDelivery,
  loadDeliveries,
  openWritten,
  recordAttempts,
  type AttemptToRecord,
  type LoadedDelivery,
  type RecordedAttempt,
} from '../db/queries/deliveries.ts';
import { Coalesced } from '../domain/coalesced.ts';
import { retryDelayMs } from '../domain/delivery-backoff.ts';
import type { TenantId } from '../domain/ids.ts';
import { traced } from '../telemetry/trace.ts';
import { webhookAttempts, webhookDelay, webhookSeconds } from '../telemetry/webhook-metrics.ts';
import type { Relay } from '../workflows/contracts/relay.ts';
import type { WebhookDeliveryInput } from '../workflows/contracts/webhook-delivery.ts';
import { postDelivery, unsent, type DeliveryAnswer } from './delivery-request.ts';
import type { Deps } from './deps.ts';
import { heartbeating } from './heartbeating.ts';

/** A local activity keeps its workflow task open, which is renewed after 8 s at three events a time: so it ends before. */
const HAND_OVER_AFTER_MS = 4_000;

export interface DeliveryTuning {
  /** For the jitter of retries; in [0, 1). */
  readonly random?: () => number;
}
/** Between the end of an attempt's time and the moment another process may begin the next. */
const HOLD_MARGIN_MS = 5_000;
/** Clocks of two machines may differ by this when a retry comes a little early. */
const EARLY_MS = 50;

const HEARTBEAT_MS = 3_000;

type Outcome =
  | { readonly state: 'delivered' }
  | { readonly state: 'failed'; readonly detail: string }
  | { readonly state: 'retry'; readonly detail: string; readonly afterMs: number };

interface Ongoing {
  readonly outcome: Promise<Outcome>;
  readonly abort: AbortController;
}

export type DeliveryActivities = ReturnType<typeof createDeliveryActivities>;

/**
 * One delivery attempt each. What counts is the attempts on record: a worker that is shut down or killed in mid-attempt
 * spends none, and the delivery is posted again under the same event id.
 */
export function createDeliveryActivities(
  deps: Pick<Deps, 'db' | 'keys' | 'network' | 'log'> & {
    readonly relay?: Pick<Relay, 'firstAttempt' | 'takeWritten'>;
  },
  { random = Math.random }: DeliveryTuning = {},
) {
  const loads = new Coalesced<TenantId, string, LoadedDelivery | null>((tenantId, ids) =>
    loadDeliveries(deps.db, deps.keys, tenantId, ids),
  );
  const records = new Coalesced<TenantId, AttemptToRecord, RecordedAttempt | null>(
    (tenantId, attempts) => recordAttempts(deps.db, tenantId, attempts),
  );
  /** Attempts that outlasted their local activity, by delivery: the next activity waits for them. */
  const ongoing = new Map<string, Ongoing>();

  return {
    /**
     * The first attempt. Answers what became of it; `retry` also where the endpoint has not answered yet: then
     * `deliverAgain` takes the same attempt over.
     */
    async deliverFirst({
      tenantId,
      deliveryId,
    }: WebhookDeliveryInput): Promise<'delivered' | 'failed' | 'retry'> {
      const tenant = tenantId as TenantId;
      const written = deps.relay?.takeWritten?.(deliveryId);
      const delivery = written
        ? openWritten(deps.keys, deliveryId, written)
        : await loads.ask(tenant, deliveryId);
      const settled = settledOutcome(delivery);
      if (settled) return settled.state;
      deps.relay?.firstAttempt?.(deliveryId, 'begun');
      const attempt = begin(tenant, delivery!);
      const { promise: patience, resolve } = Promise.withResolvers<'slow'>();
      const timer = setTimeout(() => resolve('slow'), HAND_OVER_AFTER_MS);
      const outcome = await Promise.race([untilCancelled(attempt), patience]);
      clearTimeout(timer);
      deps.relay?.firstAttempt?.(deliveryId, 'ended');
      if (outcome !== 'slow') return outcome.state;
      const until = Date.now() + delivery!.endpoint.timeoutMs + HOLD_MARGIN_MS;
      await holdDelivery(deps.db, tenant, delivery!, new Date(until));
      return 'retry';
    },

    /** Every further attempt. @throws ApplicationFailure with the time of the next, or non-retryable when given up. */
    async deliverAgain({ tenantId, deliveryId }: WebhookDeliveryInput): Promise<void> {
      const outcome = await heartbeating(
        HEARTBEAT_MS,
        () => takeOver(deliveryId) ?? attempt(tenantId as TenantId, deliveryId),
      );
      if (outcome.state === 'delivered') return;
      throw ApplicationFailure.create({
        type: outcome.state === 'failed' ? 'delivery.given_up' : 'delivery.attempt_failed',
        message: outcome.detail,
        nonRetryable: outcome.state === 'failed',
        // Zero would mean the policy's own interval.
        nextRetryDelay: outcome.state === 'retry' ? Math.max(1, outcome.afterMs) : undefined,
        category: ApplicationFailureCategory.BENIGN,
      });
    },
  };

  function takeOver(deliveryId: string): Promise<Outcome> | undefined {
    const attempt = ongoing.get(deliveryId);
    return attempt && untilCancelled(attempt);
  }

  async function attempt(tenantId: TenantId, deliveryId: string): Promise<Outcome> {
    const delivery = await loads.ask(tenantId, deliveryId);
    return settledOutcome(delivery) ?? untilCancelled(begin(tenantId, delivery!));
  }

  function begin(tenantId: TenantId, delivery: LoadedDelivery): Ongoing {
    const abort = new AbortController();
    const begun = { abort, outcome: attemptAndRecord(tenantId, delivery, abort.signal) };
    ongoing.set(delivery.id, begun);
    const forget = () => {
      if (ongoing.get(delivery.id) === begun) ongoing.delete(delivery.id);
    };
    begun.outcome.then(forget, forget);
    return begun;
  }

  async function post(
    tenantId: TenantId,
    delivery: LoadedDelivery,
    cancelled: AbortSignal,
  ): Promise<DeliveryAnswer> {
    const attempt = delivery.attempts + 1;
    // A replay's first attempt is due when it is asked for, which no row says.
    if (delivery.run === 1 || attempt > 1)
      webhookDelay.observe(
        { attempt: attempt === 1 ? 'first' : 'again' },
        Math.max(0, Date.now() - delivery.dueAt.getTime()) / 1000,
      );
    const attributes = {
      'postroom.tenant': tenantId,
      'postroom.delivery': delivery.id,
      'postroom.event': delivery.event.id,
      'postroom.event_type': delivery.event.type,
      'postroom.attempt': attempt,
    };
    const options = { kind: 'client', parent: delivery.traceparent, attributes } as const;
    return traced('webhook attempt', options, async (span) => {
      const answer = await postDelivery(await deps.network(tenantId), delivery, cancelled);
      span?.setAttribute('postroom.outcome', answer.reason);
      return answer;
    });
  }

  async function attemptAndRecord(
    tenantId: TenantId,
    delivery: LoadedDelivery,
    cancelled: AbortSignal,
  ): Promise<Outcome> {
    const answer =
      unsent(delivery.endpoint, delivery.event) ?? (await post(tenantId, delivery, cancelled));
    const afterMs = retryDelayMs(delivery.attempts + 1, answer.retryAfterMs, random());
    const recorded = await records.ask(tenantId, {
      ...answer,
      deliveryId: delivery.id,
      run: delivery.run,
      nextAttemptAt: new Date(Date.now() + afterMs),
    });
    if (!recorded) return { state: 'retry', detail: 'A replay has begun meanwhile.', afterMs: 0 };
    const { status, attempt } = recorded;
    webhookAttempts.inc({ outcome: status });
    webhookSeconds.observe(answer.durationMs / 1000);
    deps.log.info(
      {
        tenant: tenantId,
        delivery: delivery.id,
        attempt,
        reason: answer.reason,
        ms: Math.round(answer.durationMs),
        outcome: status,
      },
      'webhook attempt',
    );
    const detail = `Attempt ${attempt} of ${delivery.budget}: ${answer.reason}.`;
    if (status === 'delivered') return { state: 'delivered' };
    if (status === 'failed') return { state: 'failed', detail: `Given up. ${detail}` };
    return { state: 'retry', detail, afterMs };
  }
}

/** What there is to say without an attempt: nothing to deliver, done already, or not yet due. */
function settledOutcome(delivery: LoadedDelivery | null): Outcome | null {
  if (!delivery) return { state: 'failed', detail: 'There is no such delivery any more.' };
  if (delivery.status === 'delivered') return { state: 'delivered' };
  if (delivery.status === 'failed') return { state: 'failed', detail: 'It was given up before.' };
  const afterMs = (delivery.nextAttemptAt?.getTime() ?? 0) - Date.now();
  return afterMs > EARLY_MS
    ? { state: 'retry', detail: 'The next attempt is not due yet.', afterMs }
    : null;
}

/** The attempt's outcome; the activity's cancellation (the worker is shut down) ends it unrecorded. */
async function untilCancelled({ outcome, abort }: Ongoing): Promise<Outcome> {
  const { cancellationSignal } = Context.current();
  const end = () => abort.abort(cancellationSignal.reason);
  if (cancellationSignal.aborted) end();
  cancellationSignal.addEventListener('abort', end);
  try {
    return await outcome;
  } finally {
    cancellationSignal.removeEventListener('abort', end);
  }
}
