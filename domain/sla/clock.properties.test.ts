import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BusinessCalendar } from './calendar.ts';
import {
  agentReplied,
  customerMessaged,
  paused,
  policyChanged,
  reopened,
  resolved,
  resumed,
  startSla,
} from './clock.ts';
import { SlaPolicy } from './policy.ts';
import { SLA_METRICS, type SlaMetric, type SlaState } from './state.ts';
import { applied, due, nextWake, occurrenceKey } from './wake.ts';
import { wallClockMinutes } from './wall-clock.oracle.ts';

const MINUTE = 60_000;
const DAYS = 9;

const night: [string, string][] = [
  ['00:00', '03:30'],
  ['08:45', '12:00'],
  ['12:30', '17:00'],
  ['22:15', '24:00'],
];
const week = {
  monday: night,
  tuesday: night,
  thursday: night,
  friday: night,
  saturday: [['01:15', '05:00']],
  sunday: night,
};
const calendarIn = (time_zone: string, holiday: string): BusinessCalendar =>
  BusinessCalendar.parse({
    id: `cal_${time_zone}`,
    name: time_zone,
    time_zone,
    hours: week,
    holidays: [{ date: holiday, name: 'Holiday' }],
  });

/** Beginnings a few days before a change of the clock, each with the calendar's open minutes. */
const SCENES = [
  { zone: 'Europe/Berlin', from: '2026-03-26T00:00:00Z', holiday: '2026-03-30' },
  { zone: 'Europe/Berlin', from: '2026-10-22T00:00:00Z', holiday: '2026-10-26' },
  { zone: 'America/New_York', from: '2026-03-05T00:00:00Z', holiday: '2026-03-07' },
  { zone: 'America/New_York', from: '2026-10-29T00:00:00Z', holiday: '2026-11-02' },
  { zone: 'Australia/Lord_Howe', from: '2026-10-01T00:00:00Z', holiday: '2026-10-03' },
  { zone: 'Australia/Lord_Howe', from: '2026-04-02T00:00:00Z', holiday: '2026-04-06' },
].map(({ zone, from, holiday }) => {
  const start = Date.parse(from);
  const calendar = calendarIn(zone, holiday);
  const open = wallClockMinutes(calendar, start, start + DAYS * 1440 * MINUTE);
  return { start, calendar, open };
});
type Scene = (typeof SCENES)[number];

const escalations = [
  { level: 1, metric: 'first_response', after_minutes: 0 },
  { level: 2, metric: 'any', after_minutes: 45 },
  { level: 3, metric: 'resolution', after_minutes: 200 },
].map((step) => ({ ...step, actions: [{ type: 'emit_event' }] }));

/** Even minutes, so that every threshold falls on a minute. */
const policies = (calendar: BusinessCalendar): [SlaPolicy, SlaPolicy] => [
  SlaPolicy.parse({
    id: 'sla_hours',
    name: 'By hours',
    calendar_id: calendar.id,
    warn_at_percent: [50, 80],
    targets: {
      normal: { first_response_minutes: 120, next_response_minutes: 300, resolution_minutes: 1500 },
      urgent: { first_response_minutes: 40, next_response_minutes: 60, resolution_minutes: 400 },
    },
    escalations,
  }),
  SlaPolicy.parse({
    id: 'sla_clock',
    name: 'Round the clock',
    warn_at_percent: [70],
    targets: { normal: { next_response_minutes: 200, resolution_minutes: 3000 } },
    escalations: escalations.slice(1),
  }),
];

type Step =
  | { type: 'pause' | 'resume' | 'message' | 'reply' | 'resolve' | 'reopen' | 'wake' | 'look' }
  | { type: 'change'; policy: 0 | 1; priority: 'normal' | 'urgent' | 'low' };
type Script = { minute: number; step: Step }[];

const script: fc.Arbitrary<Script> = fc
  .array(
    fc.record({
      minute: fc.integer({ min: 0, max: (DAYS - 1) * 1440 }),
      step: fc.oneof(
        {
          weight: 5,
          arbitrary: fc.constantFrom<Step>(
            { type: 'pause' },
            { type: 'resume' },
            { type: 'message' },
            { type: 'reply' },
            { type: 'reopen' },
            { type: 'wake' },
            { type: 'look' },
          ),
        },
        { weight: 1, arbitrary: fc.constant<Step>({ type: 'resolve' }) },
        {
          weight: 1,
          arbitrary: fc.record({
            type: fc.constant('change' as const),
            policy: fc.constantFrom(0 as const, 1 as const),
            priority: fc.constantFrom('normal' as const, 'urgent' as const, 'low' as const),
          }),
        },
      ),
    }),
    { maxLength: 25 },
  )
  .map((steps) => steps.sort((a, b) => a.minute - b.minute));

interface OracleClock {
  round: number;
  target: number | null;
  counted: number;
  met: boolean;
  breachedAfter: number | null;
  warned: number[];
}

/** The rules again, told by walking every minute: no arithmetic with instants, no schedule. */
class Oracle {
  clocks: Record<SlaMetric, OracleClock | null>;
  phase: 'running' | 'paused' | 'stopped' = 'running';
  policy: SlaPolicy;
  priority: 'normal' | 'urgent' | 'low' = 'normal';
  levels = new Set<number>();
  happened: string[] = [];
  now: number;

  constructor(policy: SlaPolicy, start: number) {
    this.policy = policy;
    this.now = start;
    this.clocks = { first_response: fresh(1), next_response: null, resolution: fresh(1) };
    this.look();
  }

  minutePasses(open: boolean): void {
    this.now += MINUTE;
    const counts = this.policy.calendar_id === null || open;
    if (this.phase === 'running' && counts) {
      for (const clock of this.unmet()) clock[1].counted += 1;
    }
    this.look();
  }

  step(step: Step): void {
    const { first_response, next_response, resolution } = this.clocks;
    if (step.type === 'pause') this.enter('paused');
    if (step.type === 'resume' || step.type === 'reopen') this.enter('running');
    const round = (next_response?.round ?? 0) + 1;
    if (step.type === 'message' && !waits(first_response) && !waits(next_response)) {
      this.clocks.next_response = fresh(round);
    }
    if (step.type === 'reply' || step.type === 'resolve') {
      for (const clock of [first_response, next_response]) if (clock) clock.met = true;
    }
    if (step.type === 'resolve') {
      resolution!.met = true;
      this.phase = 'stopped';
    }
    this.look();
  }

  change(policy: SlaPolicy, priority: 'normal' | 'urgent' | 'low'): void {
    this.policy = policy;
    this.priority = priority;
    this.look();
  }

  private enter(phase: 'running' | 'paused'): void {
    this.phase = phase;
    this.clocks.resolution!.met = false;
  }

  private unmet(): [SlaMetric, OracleClock][] {
    return SLA_METRICS.flatMap((metric): [SlaMetric, OracleClock][] => {
      const clock = this.clocks[metric];
      return waits(clock) ? [[metric, clock]] : [];
    });
  }

  private look(): void {
    if (this.phase !== 'running') return;
    for (const [metric, clock] of this.unmet()) {
      const minutes = this.policy.targets[this.priority]?.[`${metric}_minutes`] ?? null;
      if (clock.breachedAfter === null) clock.target = minutes;
      if (clock.target === null) continue;
      if (clock.breachedAfter === null) this.lookForWarnings(metric, clock, clock.target);
      if (clock.breachedAfter === null && clock.counted >= clock.target) {
        clock.breachedAfter = clock.counted;
        this.note(`${metric}/${clock.round}/breach`);
      }
      if (clock.breachedAfter !== null)
        this.lookForLevels(metric, clock.counted - clock.breachedAfter);
    }
  }

  private lookForWarnings(metric: SlaMetric, clock: OracleClock, target: number): void {
    for (const percent of this.policy.warn_at_percent) {
      if (clock.warned.includes(percent) || clock.counted * 100 < target * percent) continue;
      clock.warned.push(percent);
      this.note(`${metric}/${clock.round}/warning/${percent}`);
    }
  }

  private lookForLevels(metric: SlaMetric, sinceBreach: number): void {
    for (const { level, metric: of, after_minutes } of this.policy.escalations) {
      if (this.levels.has(level) || (of !== 'any' && of !== metric)) continue;
      if (sinceBreach < after_minutes) continue;
      this.levels.add(level);
      this.note(`escalation/${level}`);
    }
  }

  private note(key: string): void {
    this.happened.push(`${new Date(this.now).toISOString()} ${key}`);
  }
}

const fresh = (round: number): OracleClock => ({
  round,
  target: null,
  counted: 0,
  met: false,
  breachedAfter: null,
  warned: [],
});
const waits = (clock: OracleClock | null): clock is OracleClock => clock !== null && !clock.met;

/** The real thing: transitions at their instants, wakes as the script has them. */
class Ticket {
  state: SlaState;
  announced: string[] = [];
  private calendar: BusinessCalendar | null;

  constructor(policy: SlaPolicy, calendar: BusinessCalendar, now: Date) {
    this.calendar = calendar;
    this.state = startSla(policy, calendar, { priority: 'normal' }, now);
  }

  step(type: Exclude<Step['type'], 'change'>, now: Date): void {
    if (type === 'wake') return this.wake(now);
    if (type === 'look') return void due(this.state, now);
    const change = {
      pause: paused,
      resume: resumed,
      message: customerMessaged,
      reply: agentReplied,
      resolve: resolved,
      reopen: reopened,
    }[type];
    this.state = change(this.state, this.calendar, now);
  }

  change(
    policy: SlaPolicy,
    priority: 'normal' | 'urgent' | 'low',
    to: BusinessCalendar | null,
    now: Date,
  ): void {
    this.state = policyChanged(this.state, { policy, priority, from: this.calendar, to }, now);
    this.calendar = to;
  }

  wake(now: Date): void {
    const occurrences = due(this.state, now);
    for (const one of occurrences) {
      expect(Date.parse(one.at)).toBeLessThanOrEqual(now.getTime());
      this.announced.push(`${one.at} ${occurrenceKey(one)}`);
    }
    this.state = JSON.parse(JSON.stringify(applied(this.state, occurrences, now))) as SlaState; // as it comes back from history or the database
  }

  /** Sleeps to each wake before `until`, as a workflow with a live worker does. */
  sleep(until: number): void {
    for (let wake = nextWake(this.state); wake !== null; wake = nextWake(this.state)) {
      if (Date.parse(wake) >= until) return;
      const before = this.announced.length;
      this.wake(new Date(Math.max(Date.parse(wake), Date.parse(this.state.as_of))));
      expect(this.announced.length).toBeGreaterThan(before); // a wake for nothing would loop
    }
  }
}

function play(scene: Scene, script: Script, prompt: boolean): { oracle: Oracle; ticket: Ticket } {
  const [byHours, byClock] = policies(scene.calendar);
  const oracle = new Oracle(byHours, scene.start);
  const ticket = new Ticket(byHours, scene.calendar, new Date(scene.start));
  let minute = 0;
  const passTo = (end: number): void => {
    while (minute < end) oracle.minutePasses(scene.open[minute++]!);
  };
  for (const { minute: at, step } of script) {
    passTo(at);
    const now = new Date(scene.start + at * MINUTE);
    if (prompt) ticket.sleep(now.getTime());
    if (step.type === 'change') {
      oracle.change(step.policy === 0 ? byHours : byClock, step.priority);
      ticket.change(
        step.policy === 0 ? byHours : byClock,
        step.priority,
        step.policy === 0 ? scene.calendar : null,
        now,
      );
    } else {
      oracle.step(step);
      ticket.step(step.type, now);
    }
    expectNoTimerAtRest(ticket.state);
  }
  const end = DAYS * 1440;
  passTo(end);
  const over = new Date(scene.start + end * MINUTE);
  if (prompt) ticket.sleep(over.getTime());
  ticket.wake(over);
  return { oracle, ticket };
}

function expectNoTimerAtRest(state: SlaState): void {
  if (state.phase === 'running') return;
  expect(nextWake(state)).toBe(state.owed[0]?.at ?? null);
}

const inOrder = (list: string[]): string[] => [...list].sort();
const times = (list: string[]): string[] => list.map((line) => line.split(' ')[0]!);

describe('any interleaving of pauses, answers, changes and wakes', () => {
  const scene = fc.constantFrom(...SCENES);

  test.each([
    ['with wakes in time', true],
    ['with wakes as late as they come', false],
  ])(
    '%s: each occurrence once, at its instant, as a walk over minutes finds it',
    (_, prompt) => {
      fc.assert(
        fc.property(scene, script, (scene, script) => {
          const { oracle, ticket } = play(scene, script, prompt);
          expect(inOrder(ticket.announced)).toEqual(inOrder(oracle.happened));
          expect(times(ticket.announced)).toEqual(inOrder(times(ticket.announced)));
          const keys = ticket.announced.map((line) => line.split(' ')[1]);
          expect(new Set(keys).size).toBe(keys.length);
        }),
        { seed: 20261121, numRuns: 150 },
      );
    },
    240_000,
  );

  test('time consumed is what a walk over minutes counts', () => {
    fc.assert(
      fc.property(scene, script, (scene, script) => {
        const { oracle, ticket } = play(scene, script, false);
        ticket.step('pause', new Date(oracle.now));
        for (const metric of SLA_METRICS) {
          const counted = oracle.clocks[metric]?.counted;
          expect(ticket.state[metric]?.consumed_ms).toBe(
            counted === undefined ? undefined : counted * MINUTE,
          );
        }
        expect(ticket.state.escalation_level).toBe(Math.max(0, ...oracle.levels));
      }),
      { seed: 20261121, numRuns: 150 },
    );
  }, 240_000);
});
