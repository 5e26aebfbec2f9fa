import { setTimeout as sleep } from 'node:timers/promises';
import {
  recordAttempts,
  type AttemptToRecord,
  type RecordedAttempt,
} from '../db/queries/deliveries.ts';
import { Pending } from '../db/queries/outbox.ts';
import {
  claimStreamed,
  leaseStreamed,
  loadStreamed,
  loadStreamEndpoints,
  pauseEndpoint,
  shiftGear,
  type ClaimedRow,
  type StreamedDelivery,
} from '../db/queries/stream.ts';
import { retryDelayMs } from '../domain/delivery-backoff.ts';
import type { TenantId } from '../domain/ids.ts';
import { traced } from '../telemetry/trace.ts';
import { webhookAttempts, webhookDelay, webhookSeconds } from '../telemetry/webhook-metrics.ts';
import type { DispatchReport, DispatchState } from '../workflows/contracts/webhook-dispatcher.ts';
import { postDelivery, unsent, type DeliveryAnswer } from './delivery-request.ts';
import type { Deps } from './deps.ts';
import { Lane } from './dispatch-lane.ts';
import { Wake } from './wake.ts';

export type DispatchDeps = Pick<Deps, 'db' | 'keys' | 'network' | 'relay' | 'log'>;

/** Posts under way to all endpoints; past it, each endpoint still has a few. */
const WIDTH_OF_ALL = 1_000;
const FEW = 4;
/** Rows taken at first of an endpoint that was not served yet. */
const OTHER_ROOM = 200;
/** Rows may have come without notice. */
const LOOK_EVERY_MS = 1_000;
/** Between two claims: what comes meanwhile is taken together. */
const CLAIM_GAP_MS = 5;
/** Attempts are written at once, unless many are about to end. */
const GATHER_MS = 5;
const GATHERED = 100;
const MOST_WRITTEN = 500;
const ENDPOINT_TTL_MS = 1_000;
const KEEP_EVERY_MS = 5_000;
const AGAIN_MS = 500;
/** An endpoint goes back to a workflow for each delivery when it has had so few in so long a time. */
const CALM_MS = 10_000;
const CALM_DELIVERIES = 100;

interface Ended {
  readonly lane: Lane;
  readonly attempt: AttemptToRecord;
  readonly answer: DeliveryAnswer;
}

/**
 * First attempts in batches, over all tenants: rows are leased, posted, and written down, many at a time. Each endpoint
 * has a width and a queue of its own. What fails gets a workflow of its own; an endpoint that is down is paused, and its
 * rows wait in Postgres unspent. A kill loses nothing: the leases run out, and the rows are posted again.
 */
export class DispatchRun {
  readonly #deps: DispatchDeps;
  readonly #random: () => number;
  readonly #lanes = new Map<string, Lane>();
  /** Every row that this run has leased and not yet written down. */
  readonly #held = new Map<string, { tenantId: TenantId; since: number }>();
  readonly #wanted = new Wake();
  readonly #ended = new Wake();
  readonly #abort = new AbortController();
  readonly #errands = new Set<Promise<void>>();
  #toWrite: Ended[] = [];
  #underWay = 0;
  #stopping = false;
  #report: DispatchReport = { delivered: 0, handedOver: 0, givenUp: 0 };

  constructor(deps: DispatchDeps, random: () => number) {
    this.#deps = deps;
    this.#random = random;
  }

  /** Works until `stop`; returns once everything that was begun is written down. */
  async run(): Promise<DispatchReport> {
    const writing = this.#write();
    const keeping = setInterval(() => void this.#errand(this.#keep()), KEEP_EVERY_MS);
    try {
      await this.#claim();
      await this.#errand(this.#releaseQueued());
      await writing;
      await Promise.all(this.#errands);
      return this.#report;
    } finally {
      clearInterval(keeping);
    }
  }

  wake(): void {
    this.#wanted.raise();
  }

  /** Takes nothing more. What is under way has so long to end; then it is broken off, and posted again by whoever comes next. */
  stop(withinMs: number): void {
    this.#stopping = true;
    this.#wanted.raise();
    this.#ended.raise();
    setTimeout(() => {
      this.#abort.abort(new Error('The dispatcher stops.'));
      this.#ended.raise();
    }, withinMs).unref();
  }

  state(): DispatchState {
    const now = Date.now();
    const endpoints = [...this.#lanes.values()].slice(0, 50).map((lane) => ({
      endpoint: lane.endpointId,
      held: lane.queue.length,
      underWay: lane.underWay,
      pausedUntil: lane.pausedUntil > now ? new Date(lane.pausedUntil).toISOString() : null,
    }));
    return { ...this.#report, endpoints };
  }

  async #claim(): Promise<void> {
    while (!this.#stopping) {
      try {
        const now = Date.now();
        const rooms = new Map([...this.#lanes].map(([id, lane]) => [id, lane.room(now)]));
        const claimed = await claimStreamed(this.#deps.db, rooms, OTHER_ROOM);
        await this.#take(claimed, rooms);
      } catch (error) {
        this.#deps.log.warn({ err: error }, 'deliveries could not be claimed; trying again');
        await sleep(AGAIN_MS);
      }
      const gap = sleep(CLAIM_GAP_MS);
      await this.#wanted.wait(this.#untilNextLook());
      await gap;
    }
  }

  #untilNextLook(): number {
    const now = Date.now();
    const ends = [...this.#lanes.values()].map((lane) => lane.pausedUntil).filter((at) => at > now);
    return Math.min(LOOK_EVERY_MS, ...ends.map((at) => at - now + 1));
  }

  async #take(claimed: readonly ClaimedRow[], rooms: ReadonlyMap<string, number>): Promise<void> {
    const now = Date.now();
    const fresh = claimed.filter((row) => !this.#held.has(row.delivery_id));
    for (const row of fresh)
      this.#held.set(row.delivery_id, { tenantId: row.tenant_id, since: now });
    const byTenant = [...Map.groupBy(fresh, (row) => row.tenant_id)];
    await Promise.all(byTenant.map(([tenantId, rows]) => this.#takeOf(tenantId, rows)));
    const byEndpoint = Map.groupBy(claimed, (row) => row.endpoint_id);
    for (const [id, lane] of this.#lanes) {
      const room = rooms.get(id) ?? OTHER_ROOM;
      // Where there was no room, nothing was learnt.
      if (room > 0) lane.more = (byEndpoint.get(id)?.length ?? 0) >= room;
    }
    this.#pump();
  }

  async #takeOf(tenantId: TenantId, rows: readonly ClaimedRow[]): Promise<void> {
    try {
      const ids = rows.map((row) => row.delivery_id);
      const endpointOf = new Map(rows.map((row) => [row.delivery_id, row.endpoint_id]));
      const [loaded] = await Promise.all([
        loadStreamed(this.#deps.db, tenantId, ids),
        this.#readEndpoints(tenantId, new Set(endpointOf.values())),
      ]);
      for (const delivery of loaded)
        this.#lanes.get(endpointOf.get(delivery.id)!)!.queue.push(delivery);
      const found = new Set(loaded.map((delivery) => delivery.id));
      for (const id of ids) if (!found.has(id)) this.#held.delete(id);
    } catch (error) {
      // Their leases run out, and they are claimed again.
      for (const row of rows) this.#held.delete(row.delivery_id);
      throw error;
    }
  }

  async #readEndpoints(tenantId: TenantId, ids: ReadonlySet<string>): Promise<void> {
    const now = Date.now();
    const stale = [...ids].filter(
      (id) => (this.#lanes.get(id)?.readAt ?? 0) < now - ENDPOINT_TTL_MS,
    );
    if (stale.length === 0) return;
    const { db, keys } = this.#deps;
    for (const [id, endpoint] of await loadStreamEndpoints(db, keys, tenantId, stale)) {
      const lane = this.#lanes.get(id) ?? new Lane(tenantId, id, endpoint, now);
      this.#lanes.set(id, lane);
      lane.endpoint = endpoint;
      lane.readAt = now;
      if (endpoint.mode === 'auto' && endpoint.gear === 'workflow')
        void this.#errand(shiftGear(db, tenantId, id, 'stream'));
    }
  }

  /** Posts what there is width for, endpoint by endpoint. */
  #pump(): void {
    for (const lane of this.#lanes.values()) this.#pumpLane(lane);
  }

  #pumpLane(lane: Lane): void {
    while (lane.queue.length > 0 && !this.#stopping) {
      if (lane.underWay >= lane.width(Date.now())) return;
      if (this.#underWay >= WIDTH_OF_ALL && lane.underWay >= FEW) return;
      void this.#attempt(lane, lane.queue.shift()!);
    }
  }

  async #attempt(lane: Lane, delivery: StreamedDelivery): Promise<void> {
    lane.underWay += 1;
    this.#underWay += 1;
    try {
      const answer =
        unsent(lane.endpoint.target, delivery.event) ?? (await this.#post(lane, delivery));
      const afterMs = retryDelayMs(delivery.attempts + 1, answer.retryAfterMs, this.#random());
      const nextAttemptAt = new Date(Date.now() + afterMs);
      const attempt = { ...answer, deliveryId: delivery.id, run: delivery.run, nextAttemptAt };
      this.#toWrite.push({ lane, attempt, answer });
      if (lane.endpoint.target.state === 'active') this.#heed(lane, answer);
    } catch (error) {
      // Broken off, or this tenant's way out could not be made: the lease runs out, and it is posted again.
      this.#held.delete(delivery.id);
      if (!this.#abort.signal.aborted)
        this.#deps.log.warn(
          { tenant: lane.tenantId, delivery: delivery.id, err: error },
          'not posted',
        );
    } finally {
      lane.underWay -= 1;
      this.#underWay -= 1;
      this.#ended.raise();
      this.#pumpLane(lane);
      if (lane.more && lane.isLow()) this.#wanted.raise();
    }
  }

  #post(lane: Lane, delivery: StreamedDelivery): Promise<DeliveryAnswer> {
    const { tenantId } = lane;
    webhookDelay.observe(
      { attempt: 'first' },
      Math.max(0, Date.now() - delivery.createdAt.getTime()) / 1000,
    );
    const attributes = {
      'postroom.tenant': tenantId,
      'postroom.delivery': delivery.id,
      'postroom.event': delivery.event.id,
    };
    const options = { kind: 'client', parent: delivery.traceparent, attributes } as const;
    return traced('webhook attempt', options, async () => {
      const network = await this.#deps.network(tenantId);
      const item = { event: delivery.event, endpoint: lane.endpoint.target };
      return postDelivery(network, item, this.#abort.signal);
    });
  }

  #heed(lane: Lane, answer: DeliveryAnswer): void {
    const change = lane.answered(answer.delivered, answer.durationMs, Date.now());
    if (change === null) return;
    const { db, log } = this.#deps;
    const facts = { tenant: lane.tenantId, endpoint: lane.endpointId };
    if (change === 'recovered') {
      log.info(facts, 'a webhook endpoint answers again');
      void this.#errand(pauseEndpoint(db, lane.tenantId, lane.endpointId, null));
      this.#wanted.raise();
      return;
    }
    log.warn({ ...facts, ms: change.forMs, reason: answer.reason }, 'a webhook endpoint is paused');
    void this.#errand(pauseEndpoint(db, lane.tenantId, lane.endpointId, change));
    void this.#errand(this.#release(lane));
  }

  async #write(): Promise<void> {
    for (;;) {
      if (this.#toWrite.length === 0) {
        if (this.#stopping && this.#underWay === 0) return;
        await this.#ended.wait(LOOK_EVERY_MS);
        continue;
      }
      if (this.#toWrite.length < GATHERED && this.#underWay > FEW) await sleep(GATHER_MS);
      const taken = this.#toWrite.splice(0, MOST_WRITTEN);
      const byTenant = [...Map.groupBy(taken, ({ lane }) => lane.tenantId)];
      await Promise.all(byTenant.map(([tenantId, ended]) => this.#record(tenantId, ended)));
    }
  }

  /** Tries until Postgres takes it: the posts were made, and forgetting them would make them again. */
  async #record(tenantId: TenantId, ended: readonly Ended[]): Promise<void> {
    const { db, log } = this.#deps;
    const attempts = ended.map(({ attempt }) => attempt);
    for (;;) {
      try {
        const recorded = await recordAttempts(db, tenantId, attempts);
        for (const { deliveryId } of attempts) this.#held.delete(deliveryId);
        this.#settle(tenantId, ended, recorded);
        return;
      } catch (error) {
        log.warn(
          { tenant: tenantId, err: error },
          'attempts could not be written down; trying again',
        );
        if (this.#abort.signal.aborted) return;
        await sleep(AGAIN_MS);
      }
    }
  }

  #settle(
    tenantId: TenantId,
    ended: readonly Ended[],
    recorded: readonly (RecordedAttempt | null)[],
  ): void {
    const byId = new Map(ended.map((each) => [each.attempt.deliveryId, each]));
    const pending = new Pending(tenantId);
    const count = { delivered: 0, pending: 0, failed: 0 };
    for (const row of recorded) {
      if (row === null) continue;
      const { attempt, answer } = byId.get(row.deliveryId)!;
      count[row.status] += 1;
      webhookAttempts.inc({ outcome: row.status });
      webhookSeconds.observe(answer.durationMs / 1000);
      if (row.status === 'pending')
        pending.deliveries.push({ ...row, notBefore: attempt.nextAttemptAt });
      if (row.status !== 'delivered')
        this.#deps.log.info(
          {
            tenant: tenantId,
            delivery: row.deliveryId,
            attempt: row.attempt,
            reason: answer.reason,
            ms: Math.round(answer.durationMs),
            outcome: row.status,
          },
          'webhook attempt',
        );
    }
    const { delivered, handedOver, givenUp } = this.#report;
    this.#report = {
      delivered: delivered + count.delivered,
      handedOver: handedOver + count.pending,
      givenUp: givenUp + count.failed,
    };
    this.#deps.log.debug({ tenant: tenantId, ...count }, 'webhook attempts of a batch');
    if (pending.deliveries.length > 0) void this.#errand(this.#deps.relay.flush(pending));
  }

  /** Every few seconds: renews leases, lets calm endpoints go back to their gear, forgets idle ones. */
  async #keep(): Promise<void> {
    const now = Date.now();
    const long = [...this.#held].filter(([, { since }]) => since < now - KEEP_EVERY_MS / 2);
    for (const [tenantId, rows] of Map.groupBy(long, ([, { tenantId }]) => tenantId)) {
      const ids = rows.map(([id]) => id);
      await leaseStreamed(this.#deps.db, tenantId, ids, 'renew');
    }
    for (const lane of this.#lanes.values()) await this.#calm(lane, now);
  }

  async #calm(lane: Lane, now: number): Promise<void> {
    if (now - lane.calmSince < CALM_MS) return;
    const calm = lane.finished < CALM_DELIVERIES && lane.held === 0 && !lane.more;
    lane.finished = 0;
    lane.calmSince = now;
    if (!calm || lane.isDown || lane.pausedUntil > now) return;
    this.#lanes.delete(lane.endpointId);
    await shiftGear(this.#deps.db, lane.tenantId, lane.endpointId, 'workflow');
  }

  async #releaseQueued(): Promise<void> {
    for (const lane of this.#lanes.values()) await this.#release(lane);
  }

  /** Gives rows back that were taken and not begun. */
  async #release(lane: Lane): Promise<void> {
    const ids = lane.queue.splice(0).map((delivery) => delivery.id);
    await leaseStreamed(this.#deps.db, lane.tenantId, ids, 'release');
    for (const id of ids) this.#held.delete(id);
  }

  /** Work beside the rest, awaited before the run ends; its failure is told and made good by leases or the next turn. */
  #errand(work: Promise<unknown>): Promise<void> {
    const done: Promise<void> = work
      .then(
        () => undefined,
        (error: unknown) => this.#deps.log.warn({ err: error }, 'a step of the dispatcher failed'),
      )
      .finally(() => this.#errands.delete(done));
    this.#errands.add(done);
    return done;
  }
}
