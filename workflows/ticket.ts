import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  defineUpdate,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { DATABASE, SEND } from '../activities/options.ts';
import { providerQueue, QUEUE } from './contracts/queues.ts';
import { SEARCH_ATTRIBUTES } from './contracts/search-attributes.ts';
import type { SendingActivities, TicketActivities } from './contracts/ticket-activities.ts';
import {
  COMMAND_UPDATES,
  WAKE_SIGNAL,
  type CommandOutcome,
  type CommandRef,
  type TicketInput,
  type TicketRef,
  type TicketSnapshot,
} from './contracts/ticket.ts';

const postgres = proxyLocalActivities<TicketActivities>(DATABASE);

type Outgoing = TicketSnapshot['outgoing'][number];

/**
 * A ticket from its first message to the end of its reopen window: announces what falls due, sends its answers one
 * after the other, closes it when it has been resolved long enough. Postgres holds the ticket; here are ids and times.
 */
export async function ticket(input: TicketInput): Promise<void> {
  const ref: TicketRef = { tenantId: input.tenantId, ticketId: input.ticketId };
  const clock = new Clock();
  const now = () => new Date(clock.now()).toISOString();
  const isDue = (at: string | null) => at !== null && Date.parse(at) <= clock.now();
  const alarm = new Alarm();
  const shown = new ShownState();
  const turns = new Turns();
  const outbox = new Sender(ref, turns);
  let woken = true;
  let snapshot: TicketSnapshot | null = null;

  setHandler(defineSignal(WAKE_SIGNAL), () => {
    woken = true;
  });
  for (const name of COMMAND_UPDATES) {
    setHandler(
      defineUpdate<CommandOutcome, [CommandRef]>(name),
      async ({ commandId }) => {
        const applied = await turns.take(async () => {
          const asked = clock.now();
          const answer = await postgres.applyCommand({ ...ref, commandId, now: now() });
          clock.passed(asked, answer.snapshot);
          return answer;
        });
        learn(applied.snapshot);
        return applied.outcome;
      },
      { validator: expectCommandId },
    );
  }

  for (;;) {
    if (woken) {
      woken = false;
      const loaded = await ask((call) => postgres.loadTicket(call));
      if (!loaded) return;
      learn(loaded);
    }
    const current: TicketSnapshot = snapshot!;
    shown.update(current);
    outbox.start(current.outgoing);
    if (isDue(current.slaDueAt)) learn(await ask((call) => postgres.applyDue(call)));
    else if (isDue(current.closesAt)) learn(await ask((call) => postgres.closeTicket(call)));
    else {
      const isIdle = () => outbox.isIdle() && allHandlersFinished();
      const ends = isDue(current.endsAt);
      if (ends && isIdle()) return;
      if (workflowInfo().continueAsNewSuggested && isIdle())
        await continueAsNew<typeof ticket>(ref);
      alarm.set(...nextAlarm(current, clock.now()));
      const sentBefore = outbox.ended;
      const mayStop = ends || workflowInfo().continueAsNewSuggested;
      await condition(
        () =>
          woken ||
          snapshot !== current ||
          alarm.rang ||
          outbox.ended !== sentBefore ||
          (mayStop && isIdle()),
      );
    }
  }

  function ask(
    what: (call: TicketRef & { now: string }) => Promise<TicketSnapshot | null>,
  ): Promise<TicketSnapshot | null> {
    return turns.take(async () => {
      const asked = clock.now();
      const answer = await what({ ...ref, now: now() });
      clock.passed(asked, answer);
      return answer;
    });
  }

  /** The newest knowledge counts: a slow answer must not undo a quick one. */
  function learn(news: TicketSnapshot | null): void {
    if (news && (snapshot === null || news.version >= snapshot.version)) snapshot = news;
  }
}

function expectCommandId(command: CommandRef): void {
  if (typeof command?.commandId === 'string' && command.commandId !== '') return;
  throw ApplicationFailure.nonRetryable(
    'The Update wants the id of a command: {"commandId": "cmd_…"}.',
    'command.missing',
  );
}

/** What it waits for next; a paused ticket waits for nothing but messages. */
function nextAlarm(
  { slaDueAt, closesAt, endsAt }: TicketSnapshot,
  now: number,
): [Ring | null, string] {
  const times = [
    { at: slaDueAt, summary: 'SLA' },
    { at: closesAt, summary: 'closes by itself' },
    { at: endsAt, summary: 'end of the reopen window' },
  ].flatMap(({ at, summary }) => (at === null ? [] : [{ at: Date.parse(at), summary }]));
  const [first] = times.sort((a, b) => a.at - b.at);
  return first && first.at > now
    ? [{ at: first.at, inMs: first.at - now }, first.summary]
    : [null, ''];
}

interface Ring {
  readonly at: number;
  readonly inMs: number;
}

/**
 * The workflow's time is that of its task's beginning, even where a local activity has waited for Postgres since: without
 * what that took, each timer after it would ring that much late.
 */
class Clock {
  #least = 0;

  now(): number {
    return Math.max(Date.now(), this.#least);
  }

  passed(asked: number, answer: TicketSnapshot | null): void {
    this.#least = Math.max(this.#least, asked + (answer?.elapsedMs ?? 0));
  }
}

/**
 * One local activity at a time: the results of two that ran together may reach a replay in one activation, and the
 * workflow's commands would then come in another order than they did.
 */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {}); // its own caller meets the failure
    return turn;
  }
}

/** One timer to an absolute time; kept while the time stays the same, so that a change of nothing costs no event. */
class Alarm {
  rang = false;
  #at: number | null = null;
  #scope: CancellationScope | null = null;

  set(ring: Ring | null, summary: string): void {
    const at = ring?.at ?? null;
    if (at === this.#at && !this.rang) return;
    this.#scope?.cancel();
    this.#scope = null;
    this.#at = at;
    this.rang = false;
    if (ring !== null) this.#start(ring.inMs, summary);
  }

  #start(inMs: number, summary: string): void {
    const scope = new CancellationScope();
    this.#scope = scope;
    scope
      .run(() => sleep(inMs, { summary }))
      .then(
        () => {
          if (this.#scope !== scope) return;
          this.#scope = null;
          this.rang = true;
        },
        (error: unknown) => {
          if (!isCancellation(error)) throw error;
        },
      );
  }
}

/** Sends a ticket's answers in their order, each on its provider's queue; beside the clocks, which go on meanwhile. */
class Sender {
  /** How many have ended, one way or the other. */
  ended = 0;
  #sending: string | null = null;
  readonly #done = new Set<string>();
  readonly #ref: TicketRef;
  #waiting = 0;

  readonly #turns: Turns;

  constructor(ref: TicketRef, turns: Turns) {
    this.#ref = ref;
    this.#turns = turns;
  }

  /** Begins with the first that has not ended, unless one is under way. */
  start(outgoing: readonly Outgoing[]): void {
    const left = outgoing.filter(({ messageId }) => !this.#done.has(messageId));
    this.#waiting = left.length;
    const next = left[0];
    if (!next || this.#sending !== null) return;
    this.#sending = next.messageId;
    void this.#send(next);
  }

  isIdle(): boolean {
    return this.#sending === null && this.#waiting === 0;
  }

  async #send(message: Outgoing): Promise<void> {
    const { messageId } = message;
    try {
      await sendWithin(this.#ref, message);
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      const code = codeOf(error);
      await this.#turns.take(() =>
        postgres.giveUpMessage({
          ...this.#ref,
          messageId,
          code,
          now: new Date(Date.now()).toISOString(),
        }),
      );
    }
    this.#done.add(messageId);
    this.#sending = null;
    this.ended += 1;
    this.#waiting -= 1;
  }
}

async function sendWithin(ref: TicketRef, message: Outgoing): Promise<void> {
  const left = Date.parse(message.sendBy) - Date.now();
  const { sendMessage } = proxyActivities<SendingActivities>({
    ...SEND,
    taskQueue: queuePrefix() + providerQueue(message.provider),
    scheduleToCloseTimeout: Math.max(left, 1_000),
    summary: message.messageId,
    priority: { priorityKey: 1, fairnessKey: ref.tenantId },
  });
  await sendMessage({ ...ref, messageId: message.messageId });
}

function codeOf(failure: ActivityFailure): string {
  return failure.cause instanceof ApplicationFailure && failure.cause.type
    ? failure.cause.type
    : 'send.expired';
}

/** Of an installation that shares its namespace. */
function queuePrefix(): string {
  return workflowInfo().taskQueue.slice(0, -QUEUE.tickets.length);
}

/** What ops see: details without cost, search attributes only where they change. */
class ShownState {
  #status: string;
  #level: number;

  constructor() {
    const { typedSearchAttributes: given } = workflowInfo();
    // A ticket starts open and not escalated: that much needs no event.
    this.#status = given.get(SEARCH_ATTRIBUTES.ticketStatus) ?? 'open';
    this.#level = given.get(SEARCH_ATTRIBUTES.slaLevel) ?? 0;
  }

  update({ status, slaLevel, details }: TicketSnapshot): void {
    setCurrentDetails(details);
    if (status === this.#status && slaLevel === this.#level) return;
    upsertSearchAttributes([
      ...(status === this.#status ? [] : [{ key: SEARCH_ATTRIBUTES.ticketStatus, value: status }]),
      ...(slaLevel === this.#level ? [] : [{ key: SEARCH_ATTRIBUTES.slaLevel, value: slaLevel }]),
    ]);
    this.#status = status;
    this.#level = slaLevel;
  }
}
