import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { DATABASE, RELEASE, RENEW, SYNC, WAIT } from '../activities/options.ts';
import type {
  MailboxPlan,
  MailboxStateActivities,
  MailboxStateReport,
  MailboxSyncActivities,
  MailboxWaitActivities,
  MailboxWatchActivities,
  Synced,
} from './contracts/mailbox-activities.ts';
import {
  CHANGED_SIGNAL,
  NUDGE_SIGNAL,
  type MailboxInput,
  type MailboxNews,
  type MailboxRef,
} from './contracts/mailbox.ts';
import { providerQueue, QUEUE } from './contracts/queues.ts';
import { SEARCH_ATTRIBUTES } from './contracts/search-attributes.ts';
import { PushWatch } from './mailbox-watch.ts';

/** One wait covers a quarter of a day: under a hundred events on an idle one. */
const WAIT_SECONDS = 6 * 3600;
/** Where the vendor tells of mail, sweeps are the net under it. */
const PUSH_SWEEP_SECONDS = 4 * 3600;
const FIRST_BACKOFF_SECONDS = 15;
const LONGEST_BACKOFF_SECONDS = 15 * 60;
/** Refused credentials are tried again now and then: a password may have been put right at the other end. */
const REFUSED_RETRY_SECONDS = 3600;

const { loadMailbox, recordMailboxState, forgetWatch } =
  proxyLocalActivities<MailboxStateActivities>(DATABASE);

/** A channel while it is active: waits for mail or a nudge, syncs, backs off by name, and does what the admin wants. */
export async function mailbox(input: MailboxInput): Promise<void> {
  const ref: MailboxRef = { tenantId: input.tenantId, channelId: input.channelId };
  const queue = workflowInfo().taskQueue.slice(0, -QUEUE.mailboxes.length);
  let nudged = false;
  let changed = false;
  let failures = input.failures ?? 0;
  let underWay = new CancellationScope();
  let shown = '';
  let told = '';
  const push = new PushWatch(input.silent ?? false, input.renew ?? false);

  setHandler(defineSignal<[MailboxNews?]>(NUDGE_SIGNAL), (news = {}) => {
    nudged = true;
    push.hear(news);
  });
  setHandler(defineSignal<[MailboxNews?]>(CHANGED_SIGNAL), (news = {}) => {
    changed = true;
    push.hear(news);
    underWay.cancel();
  });
  const attention = () => nudged || changed;

  for (;;) {
    changed = false;
    // What follows reads everything anew; left standing, it would keep a stopped channel from ending.
    nudged = false;
    // The admin's change showed a state of its own: whatever is so is told anew.
    told = '';
    const plan = await loadMailbox(ref);
    push.plan(plan);
    if (plan.desired === 'stopped') {
      if (plan.releases) await release(plan);
      show('stopped', 'Stopped by an admin.');
      if (attention()) continue;
      await condition(allHandlersFinished);
      return;
    }
    if (plan.desired === 'paused') {
      show('paused', 'Paused by an admin: what the doors accept is kept until it resumes.');
      await condition(() => changed || workflowInfo().continueAsNewSuggested);
    } else {
      underWay = new CancellationScope();
      await underWay.run(() => run(plan)).catch(ignoreCancellation);
      underWay.cancel();
    }
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished);
      const { silent, isAsked: renew } = push;
      await continueAsNew<typeof mailbox>({ ...input, failures, silent, renew });
    }
  }

  /** Until the admin changes something, or the history has grown long. */
  async function run(plan: MailboxPlan): Promise<void> {
    const { syncMailbox } = proxyActivities<MailboxSyncActivities>({
      ...SYNC,
      taskQueue: queue + providerQueue(plan.provider),
      summary: 'sync',
    });
    let waiting: Waiting | null = null;
    let failedWaits = 0;
    let swept = false;
    const isOver = () => changed || workflowInfo().continueAsNewSuggested;
    while (!isOver()) {
      nudged = false;
      const { pushes } = push;
      let again = Infinity;
      let refused: Synced['refusal'];
      try {
        const synced = await syncMailbox(ref);
        again = (synced.againSeconds ?? Infinity) * 1000;
        if (synced.refusal && patched('a sync tells what is refused')) refused = synced.refusal;
        failures = 0;
        if (swept) push.swept(synced, pushes);
      } catch (error) {
        if (isCancellation(error)) throw error;
        failures += 1;
        failedWaits = 0;
        swept = false;
        await backOff(error);
        continue;
      }
      if (push.isDue()) await renew(plan);
      const isTold = push.isReliable();
      const waits = (plan.canWait || plan.polls === true) && !isTold;
      const seconds = isTold ? PUSH_SWEEP_SECONDS : plan.canWait ? WAIT_SECONDS : plan.sweepSeconds;
      const refusal = refused ?? (plan.isRead ? null : push.refusal);
      await report({
        state: refusal ? 'needs_attention' : 'watching',
        detail: refused?.detail ?? (plan.isRead ? push.detail() : push.doorDetail()),
        error: refusal,
        nextSweepAt: plan.isRead ? inSeconds(seconds) : null,
      });
      if (!waits) {
        waiting?.stop();
        waiting = null;
        const ms = Math.min(seconds * 1000, push.untilDue(), again);
        swept = !(await condition(attention, ms, { summary: 'next sweep' }));
        continue;
      }
      swept = false;
      // A nudge leaves the wait under way as it is: a sync beside it harms nothing.
      waiting ??= startWaiting(ref, queue);
      const current = waiting;
      await until(() => nudged || current.done || isOver());
      if (current.done) {
        waiting = null;
        told = '';
        failedWaits = endedByFailure(current) ? failedWaits + 1 : 0;
        // The sync that follows names the trouble; where it finds none, the mailbox is swept, never in a loop.
        if (failedWaits > 1)
          await condition(attention, plan.sweepSeconds * 1000, { summary: 'sweep: waiting fails' });
      }
    }
  }

  /** Until it is so, or the push subscription is due. */
  async function until(isSo: () => boolean): Promise<void> {
    const ms = push.untilDue();
    if (ms === Infinity) await condition(isSo);
    else await condition(isSo, ms, { summary: 'renewal' });
  }

  /** A mailbox whose push can't be set up is swept; what is wrong is shown, and it is tried again and again. */
  async function renew({ provider }: MailboxPlan): Promise<void> {
    const { renewWatch } = proxyActivities<MailboxWatchActivities>({
      ...RENEW,
      taskQueue: queue + providerQueue(provider),
      summary: 'renew push',
    });
    push.renewing();
    try {
      if (push.renewed(await renewWatch(ref))) nudged = true;
    } catch (error) {
      if (isCancellation(error)) throw error;
      push.failed(failureOf(error));
    }
  }

  /** Ends the push subscription; where that can't be done it is left to expire. A start meanwhile comes first. */
  async function release({ provider }: MailboxPlan): Promise<void> {
    const { releaseWatch } = proxyActivities<MailboxWatchActivities>({
      ...RELEASE,
      taskQueue: queue + providerQueue(provider),
      summary: 'end push',
    });
    underWay = new CancellationScope();
    try {
      await underWay.run(() => releaseWatch(ref));
    } catch (error) {
      if (isCancellation(error)) return;
      await forgetWatch(ref, failureOf(error).detail);
    }
  }

  async function backOff(error: unknown): Promise<void> {
    const failure = failureOf(error);
    const refused = failure.class === 'reauthenticate' || failure.class === 'give_up';
    const seconds = refused
      ? REFUSED_RETRY_SECONDS
      : Math.min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** Math.min(failures - 1, 10));
    await report({
      state: refused ? 'needs_attention' : 'backing_off',
      detail: failure.detail,
      error: { type: failure.type, detail: failure.detail },
      nextSweepAt: inSeconds(seconds),
    });
    await condition(attention, seconds * 1000, {
      summary: refused ? 'retry after refusal' : 'back-off',
    });
  }

  function show(state: string, detail: string, next?: string | null): void {
    setCurrentDetails(
      `**${state.replace('_', ' ')}**: ${detail}${next ? `\n\nNext sweep ${next}` : ''}`,
    );
    if (shown === state) return;
    shown = state;
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.channelState, value: state }]);
  }

  async function report(next: MailboxStateReport): Promise<void> {
    show(next.state, next.detail, next.nextSweepAt);
    const news = `${next.state} ${next.detail} ${push.isReliable() ? next.nextSweepAt : ''}`;
    if (told === news && next.error === null) return;
    told = news;
    // Not cancelled halfway: two local activities at once would not replay in the same order.
    await CancellationScope.nonCancellable(() => recordMailboxState(ref, next));
  }
}

interface WaitFailure {
  readonly error: unknown;
}

interface Waiting {
  done: boolean;
  failure: WaitFailure | null;
  stop(): void;
}

function startWaiting(ref: MailboxRef, queuePrefix: string): Waiting {
  const { waitForMail } = proxyActivities<MailboxWaitActivities>({
    ...WAIT,
    taskQueue: queuePrefix + QUEUE.waits,
    summary: 'wait for mail',
  });
  const scope = new CancellationScope();
  const waiting: Waiting = { done: false, failure: null, stop: () => scope.cancel() };
  scope
    .run(() => waitForMail(ref, WAIT_SECONDS))
    .then(
      () => {
        waiting.done = true;
      },
      (error: unknown) => {
        waiting.failure = { error };
        waiting.done = true;
      },
    );
  return waiting;
}

/** @throws what is no activity's failure: a cancellation, or a fault of this code. */
function endedByFailure({ failure }: Waiting): boolean {
  if (failure === null) return false;
  if (!(failure.error instanceof ActivityFailure) || isCancellation(failure.error))
    throw failure.error;
  return true;
}

function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString();
}

function ignoreCancellation(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

/** What an activity's failure says; anything that is not a provider's word is a passing fault. */
function failureOf(error: unknown): { type: string; detail: string; class: string } {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const [details] = (cause.details ?? []) as [{ class?: string }?];
    return {
      type: cause.type ?? 'unknown',
      detail: cause.message,
      class: details?.class ?? 'retry',
    };
  }
  const detail = cause instanceof Error ? cause.message : 'The sync did not end.';
  return { type: 'sync.interrupted', detail, class: 'retry' };
}
