import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CapturedMail } from '../harness/smtp-sink.ts';
import { gatherEvidence, workflowsOf, type Evidence, type WorkflowFact } from './evidence.ts';
import { ESCALATE_AFTER_MS, WARN_AT_PERCENT, type Expected } from './moments.ts';
import type { Stage } from './stage.ts';

/** When everything was back (Unix, ms), and for how long at most the machine has let nothing of ours run since. */
export interface Back {
  readonly at: number;
  readonly stalledMs: number;
}

/** What the table shows of a scene, and what is wrong with it. */
export interface Findings {
  /** Empty where all is as it must be. */
  readonly faults: readonly string[];
  readonly mails: number;
  readonly messages: number;
  readonly tickets: number;
  /** Receipts beyond the first of a mail: what a sender that got no answer sent again. */
  readonly repeatedReceipts: number;
  readonly sent: number;
  readonly uncertain: number;
  readonly events: number;
  readonly repeatedDeliveries: number;
  readonly clocks: number;
  /** Seconds of the latest clock after its deadline, or after everything was back. */
  readonly latest: number | null;
}

/** A clock may be late by this, and by what the machine kept this very process waiting. */
const LATE_MS = 1_000;
const TASK_TIMEOUT_MS = 10_000;
/** Clocks of the parts of one machine, and what a row's own transaction takes. */
const EARLY_MS = 5;

/** Waits until nothing is under way any more. Returns what still is when the time is over. */
export async function untilQuiet(
  stage: Stage,
  expected: Expected,
  withinMs: number,
): Promise<string[]> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const left = await gatherEvidence(stage).then(
      (evidence) => underWay(evidence, expected),
      (error: unknown) => [`Postgres can't be asked: ${String(error)}`],
    );
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(300);
  }
}

function underWay(evidence: Evidence, expected: Expected): string[] {
  const known = new Set(evidence.sources.map(({ sha256 }) => sha256));
  const waiting = {
    'mails not stored': expected.mails.filter(({ sha256 }) => !known.has(sha256)).length,
    'sources staged': count(evidence.sources, ({ status }) => status === 'staged'),
    'outbox rows': evidence.outbox.length,
    'deliveries pending': count(evidence.deliveries, ({ status }) => status === 'pending'),
    'answers queued': count(evidence.outbound, ({ status }) => status === 'queued'),
    'channels not watching': count(evidence.channels, ({ state }) => state !== 'watching'),
    'clocks not announced': clocksLeft(evidence, expected),
  };
  return Object.entries(waiting).flatMap(([what, left]) => (left > 0 ? [`${what}: ${left}`] : []));
}

const CLOCK_EVENTS = ['sla.warning', 'sla.breached', 'ticket.escalated'] as const;
type ClockEvent = (typeof CLOCK_EVENTS)[number];

/** When a clock's event is due, from its deadline; as the scene's policy has it. */
function dueOf(type: ClockEvent, deadline: number, targetSeconds: number): number {
  if (type === 'sla.warning')
    return deadline - (targetSeconds * 1000 * (100 - WARN_AT_PERCENT)) / 100;
  return type === 'ticket.escalated' ? deadline + ESCALATE_AFTER_MS : deadline;
}

function clocksLeft({ tickets, events }: Evidence, { targetSeconds }: Expected): number {
  if (targetSeconds === null) return 0;
  const announced = count(events, ({ type }) => CLOCK_EVENTS.some((clock) => clock === type));
  return Math.max(0, tickets.length * CLOCK_EVENTS.length - announced);
}

/** Looks at everything a scene left, against what it was to leave. */
export async function check(stage: Stage, expected: Expected, back: Back): Promise<Findings> {
  const evidence = await gatherEvidence(stage);
  const workflows = await workflowsOf(stage, evidence);
  const clocks = lateness(evidence, workflows, expected, back);
  const repeats = deliveries(stage, evidence);
  const answers = answered(stage, evidence, expected);
  return {
    faults: [
      ...mailFaults(evidence, expected),
      ...sequenceFaults(evidence),
      ...workflowFaults(workflows),
      ...repeats.faults,
      ...answers.faults,
      ...clocks.faults,
    ],
    mails: new Set(expected.mails.map(({ sha256 }) => sha256)).size,
    messages: evidence.inbound.length,
    tickets: evidence.tickets.length,
    repeatedReceipts: evidence.sources.length - expected.mails.length,
    sent: answers.sent,
    uncertain: answers.uncertain,
    events: evidence.events.length,
    repeatedDeliveries: repeats.repeated,
    clocks: clocks.clocks,
    latest: clocks.latest,
  };
}

/** Each mail one message, each conversation one ticket of its own. */
export function mailFaults({ sources, inbound, tickets }: Evidence, { mails }: Expected): string[] {
  const faults: string[] = [];
  const ticketOf = new Map(inbound.map(({ id, ticketId }) => [id, ticketId]));
  const bySource = Map.groupBy(sources, ({ sha256 }) => sha256);
  const expected = Map.groupBy(mails, ({ sha256 }) => sha256);
  const threads = new Map<string, string | null>();
  for (const [sha256, [mail]] of expected) {
    const receipts = bySource.get(sha256) ?? [];
    const messages = new Set(receipts.map(({ messageId }) => messageId));
    const ingested = count(receipts, ({ status }) => status === 'ingested');
    const [messageId] = messages;
    if (ingested !== 1 || messages.size !== 1 || !messageId) {
      const states = receipts.map(({ status }) => status).join(', ') || 'nothing';
      faults.push(`Mail ${sha256.slice(0, 8)} became ${states} (${messages.size} messages)`);
      continue;
    }
    const ticketId = ticketOf.get(messageId) ?? null;
    const { thread } = mail!;
    if (thread === null && ticketId !== null)
      faults.push(`A machine's mail made ticket ${ticketId}`);
    if (thread === null) continue;
    const known = threads.get(thread);
    if (known === undefined) threads.set(thread, ticketId);
    else if (known !== ticketId)
      faults.push(`${thread} is in the tickets ${known} and ${ticketId}`);
  }
  const used = new Set(threads.values());
  if (used.has(null)) faults.push("A customer's mail has no ticket");
  if (used.size !== threads.size)
    faults.push(`${threads.size} conversations share ${used.size} tickets`);
  if (inbound.length !== expected.size)
    faults.push(`${expected.size} mails became ${inbound.length} messages`);
  if (tickets.length !== used.size)
    faults.push(`${tickets.length} tickets, ${used.size} of them with mail`);
  const strange = [...bySource.keys()].filter((sha256) => !expected.has(sha256));
  if (strange.length > 0) faults.push(`${strange.length} sources that nobody sent`);
  return faults;
}

export function sequenceFaults({ events, tickets }: Evidence): string[] {
  const byTicket = Map.groupBy(events, ({ ticketId }) => ticketId);
  return tickets.flatMap(({ id, sequence }) => {
    const numbers = (byTicket.get(id) ?? []).map((event) => event.sequence);
    const isWhole = numbers.length === sequence && numbers.every((n, at) => n === at + 1);
    return isWhole ? [] : [`Ticket ${id} counts ${numbers.join(' ')} of ${sequence}`];
  });
}

function workflowFaults(workflows: readonly WorkflowFact[]): string[] {
  return workflows.flatMap(({ id, status, faults }) => [
    ...(status === 'RUNNING' ? [] : [`Workflow ${id} is ${status ?? 'missing'}`]),
    ...faults.map((fault) => `Workflow ${id} failed at a task: ${fault}`),
  ]);
}

/** Every event at every endpoint, at least once, under one id with one body. */
export function deliveries(
  { receivers, hooks }: Stage,
  { events, deliveries }: Evidence,
): { faults: string[]; repeated: number } {
  const faults: string[] = [];
  let repeated = 0;
  for (const hook of hooks) {
    const posted = receivers.requests.filter(({ path }) => path === hook);
    const bodies = Map.groupBy(posted, ({ headers }) => String(headers['webhook-id']));
    repeated += posted.length - bodies.size;
    const missed = events.filter(({ id }) => !bodies.has(id));
    if (missed.length > 0)
      faults.push(`${hook} never got ${missed.map(({ id, type }) => `${type} ${id}`).join(', ')}`);
    const ids = new Set(events.map(({ id }) => id));
    const unknown = [...bodies.keys()].filter((id) => !ids.has(id));
    if (unknown.length > 0) faults.push(`${hook} got ${unknown.join(', ')}, which are no events`);
    for (const [id, requests] of bodies)
      if (new Set(requests.map(({ body }) => digest(body))).size > 1)
        faults.push(`${hook} got ${id} with different bodies`);
  }
  const ended = Map.groupBy(deliveries, ({ status }) => status);
  if ((ended.get('failed') ?? []).length > 0)
    faults.push(`${ended.get('failed')!.length} deliveries were given up`);
  if (deliveries.length !== events.length * hooks.length)
    faults.push(`${events.length} events have ${deliveries.length} deliveries`);
  return { faults, repeated };
}

/** Each answer once at the customers' server; one in doubt says so, and is there at most once. */
export function answered(
  { customers }: Stage,
  { outbound, events }: Evidence,
  { answers }: Expected,
): { faults: string[]; sent: number; uncertain: number } {
  const arrived = Map.groupBy(customers.mails, messageIdOf);
  const faults: string[] = [];
  let uncertain = 0;
  for (const id of answers) {
    const message = outbound.find((one) => one.id === id);
    const times = arrived.get(message?.messageId ?? '')?.length ?? 0;
    if (message?.status === 'sent' && times === 1) continue;
    const told = events.some(
      ({ type, data }) => type === 'message.failed' && data.message?.id === id && data.uncertain,
    );
    if (message?.status === 'uncertain' && times <= 1 && told) uncertain += 1;
    else faults.push(`Answer ${id} is ${message?.status ?? 'missing'} and arrived ${times} times`);
  }
  if (outbound.length !== answers.length)
    faults.push(`${answers.length} answers became ${outbound.length} messages`);
  return { faults, sent: answers.length - uncertain, uncertain };
}

function messageIdOf({ raw }: CapturedMail): string {
  return /^message-id:\s*<([^>]+)>/im.exec(raw.toString('latin1'))?.[1] ?? '';
}

/** No clock is lost or early, and none later than a second after its deadline, or after everything was back. */
export function lateness(
  { events, tickets }: Evidence,
  workflows: readonly WorkflowFact[],
  { targetSeconds }: Expected,
  back: Back,
): { faults: string[]; clocks: number; latest: number | null } {
  if (targetSeconds === null) return { faults: [], clocks: 0, latest: null };
  const faults: string[] = [];
  let latest = 0;
  let clocks = 0;
  for (const { id } of tickets) {
    const own = events.filter(({ ticketId }) => ticketId === id);
    const inFlight = workflows.some(
      (workflow) => workflow.id.endsWith(id) && workflow.timeouts > 0,
    );
    const bornAt = own.find(({ type }) => type === 'ticket.created')?.committedAt.getTime() ?? 0;
    for (const type of CLOCK_EVENTS) {
      const [event, ...more] = own.filter((one) => one.type === type);
      if (!event || more.length > 0) {
        faults.push(`Ticket ${id} has ${more.length + (event ? 1 : 0)} events ${type}`);
        continue;
      }
      clocks += 1;
      const at = event.committedAt.getTime();
      const due = dueOf(type, Date.parse(event.data.sla!.due_at), targetSeconds);
      if (at < due - EARLY_MS) faults.push(`${type} of ticket ${id} came ${due - at} ms early`);
      // One that was due before all was back, or before its ticket could be made, is late by what it comes after that.
      const lateMs = at - Math.max(due, back.at, bornAt);
      latest = Math.max(latest, lateMs);
      if (lateMs > LATE_MS + back.stalledMs + (inFlight ? TASK_TIMEOUT_MS : 0))
        faults.push(
          `${type} of ticket ${id} came ${lateMs} ms late${inFlight ? ', its task timed out' : ''}`,
        );
    }
  }
  return { faults, clocks, latest: latest / 1000 };
}

function digest(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

function count<T>(items: readonly T[], isCounted: (item: T) => boolean): number {
  return items.filter(isCounted).length;
}
