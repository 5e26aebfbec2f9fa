import { describe, expect, test } from '@jest/globals';
import { berlin, officePolicy, on, policy, started, told } from './clock.fixture.ts';
import {
  agentReplied,
  customerMessaged,
  markedSpam,
  paused,
  reopened,
  resolved,
  resumed,
  startSla,
  statusChanged,
} from './clock.ts';
import { SlaPolicy } from './policy.ts';
import { presentSla } from './present.ts';
import type { Occurrence, SlaState } from './state.ts';
import { applied, due, nextWake, occurrenceKey } from './wake.ts';

/** As a workflow does: sleeps to each wake, announces what is due, until `until`. */
function slept(state: SlaState, until: Date): { state: SlaState; announced: Occurrence[] } {
  const announced: Occurrence[] = [];
  let current = state;
  for (let wake = nextWake(current); wake !== null; wake = nextWake(current)) {
    const now = new Date(wake);
    if (now > until) break;
    const occurrences = due(current, now);
    expect(occurrences.length).toBeGreaterThan(0);
    announced.push(...occurrences);
    current = applied(current, occurrences, now);
  }
  return { state: current, announced };
}

describe('a new ticket', () => {
  test('has its deadlines, and wakes for the first warning', () => {
    const state = started();
    expect(presentSla(state)).toEqual({
      policy_id: 'sla_1',
      first_response: { due_at: '2026-11-20T11:00:00.000Z', met_at: null, breached: false },
      next_response: null,
      resolution: { due_at: '2026-11-20T20:00:00.000Z', met_at: null, breached: false },
      paused_since: null,
      escalation_level: 0,
    });
    expect(nextWake(state)).toBe('2026-11-20T10:30:00.000Z');
  });

  test('counts by its calendar: Friday evening falls due on Monday', () => {
    const state = startSla(officePolicy, berlin, { priority: 'normal' }, on('15:30'));
    expect(state.first_response?.due_at).toBe('2026-11-23T08:30:00.000Z');
  });

  test('that an agent opened awaits no first response', () => {
    const state = startSla(policy, null, { priority: 'normal', awaiting: null }, on('10:00'));
    expect(presentSla(state)?.first_response).toBeNull();
    const asked = customerMessaged(state, null, on('11:00'));
    expect(asked.next_response?.due_at).toBe('2026-11-20T13:00:00.000Z');
  });

  test('at a priority without targets, or without a policy, sleeps for ever', () => {
    expect(nextWake(startSla(policy, null, { priority: 'low' }, on('10:00')))).toBeNull();
    const none = startSla(null, null, { priority: 'low' }, on('10:00'));
    expect(nextWake(none)).toBeNull();
    expect(presentSla(none)).toBeNull();
  });

  test('is plain JSON, without the addresses and actions of its policy', () => {
    const state = applied(started(), [], on('23:00'));
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    expect(JSON.stringify(state)).not.toMatch(/@|notify|raise_priority/);
  });
});

describe('warnings, breach, escalation', () => {
  test('each comes once, at its instant, and in order', () => {
    const { announced, state } = slept(started(), on('23:00'));
    expect(announced.map((one) => [one.at.slice(11, 16), occurrenceKey(one)])).toEqual([
      ['10:30', 'first_response/1/warning/50'],
      ['10:48', 'first_response/1/warning/80'],
      ['11:00', 'first_response/1/breach'],
      ['11:30', 'escalation/1'],
      ['15:00', 'resolution/1/warning/50'],
      ['18:00', 'resolution/1/warning/80'],
      ['20:00', 'resolution/1/breach'],
      ['21:00', 'escalation/2'],
    ]);
    expect(nextWake(state)).toBeNull();
    expect(state.escalation_level).toBe(2);
  });

  test('a late wake yields everything overdue, oldest first, with the instants it came due', () => {
    const occurrences = due(started(), on('11:45'));
    expect(occurrences.map((one) => [one.type, one.at.slice(11, 16)])).toEqual([
      ['warning', '10:30'],
      ['warning', '10:48'],
      ['breach', '11:00'],
      ['escalation', '11:30'],
    ]);
  });

  test('nothing is due a millisecond early', () => {
    expect(due(started(), new Date(on('10:30').getTime() - 1))).toEqual([]);
    expect(told(started(), on('10:30'))).toEqual(['first_response/1/warning/50']);
  });

  test('what was only read stays due, what was applied does not return', () => {
    const state = started();
    const once = due(state, on('10:30'));
    const after = applied(state, once, on('10:30'));
    expect(due(after, on('10:31'))).toEqual([]);
    expect(applied(after, once, on('10:30'))).toEqual(after);
  });

  test('what comes due between reading and applying is kept', () => {
    const state = started();
    const after = applied(state, due(state, on('10:30')), on('10:50'));
    expect(told(after, on('10:50'))).toEqual(['first_response/1/warning/80']);
    expect(nextWake(after)).toBe('2026-11-20T10:48:00.000Z');
  });

  test('an escalation waits for business time after the breach', () => {
    const state = startSla(officePolicy, berlin, { priority: 'normal' }, on('14:45'));
    expect(state.first_response?.due_at).toBe('2026-11-20T15:45:00.000Z');
    expect(state.escalations_due).toContainEqual({
      level: 1,
      metric: 'first_response',
      at: '2026-11-23T08:15:00.000Z',
    });
  });

  test('the level shown is the highest reached, in whatever order levels come', () => {
    const [one, two] = policy.escalations;
    const inverse = SlaPolicy.parse({
      ...policy,
      escalations: [
        { ...one, after_minutes: 90 },
        { ...two, metric: 'any', after_minutes: 0 },
      ],
    });
    const { announced, state } = slept(
      startSla(inverse, null, { priority: 'normal' }, on('10:00')),
      on('13:00'),
    );
    expect(announced.slice(-2).map(occurrenceKey)).toEqual(['escalation/2', 'escalation/1']);
    expect(state.escalation_level).toBe(2);
  });

  test('a level of any metric is reached by the first, once', () => {
    const any = SlaPolicy.parse({
      ...policy,
      escalations: [{ level: 1, after_minutes: 0, actions: [{ type: 'emit_event' }] }],
    });
    const { announced } = slept(
      startSla(any, null, { priority: 'normal' }, on('10:00')),
      on('23:00'),
    );
    expect(announced.filter((one) => one.type === 'escalation')).toMatchObject([
      { metric: 'first_response', at: '2026-11-20T11:00:00.000Z', policy_id: 'sla_1' },
    ]);
  });
});

describe('answers', () => {
  test('a reply meets the first response; the next question starts a round', () => {
    const answered = agentReplied(started(), null, on('10:20'));
    expect(answered.first_response).toMatchObject({
      due_at: '2026-11-20T11:00:00.000Z',
      met_at: '2026-11-20T10:20:00.000Z',
      breached: false,
    });
    expect(nextWake(answered)).toBe('2026-11-20T15:00:00.000Z');
    const asked = customerMessaged(answered, null, on('12:00'));
    expect(asked.next_response).toMatchObject({ round: 1, due_at: '2026-11-20T14:00:00.000Z' });
    const again = customerMessaged(agentReplied(asked, null, on('12:30')), null, on('16:00'));
    expect(again.next_response).toMatchObject({ round: 2, due_at: '2026-11-20T18:00:00.000Z' });
  });

  test('a second message of a waiting customer does not push the deadline out', () => {
    const state = customerMessaged(started(), null, on('10:30'));
    expect(presentSla(state)).toEqual(presentSla(started()));
    const asked = customerMessaged(agentReplied(state, null, on('10:40')), null, on('12:00'));
    expect(customerMessaged(asked, null, on('13:00')).next_response?.due_at).toBe(
      asked.next_response?.due_at,
    );
  });

  test('a late reply that overtakes a late wake leaves the breach to be told', () => {
    const late = agentReplied(started(), null, on('11:10'));
    expect(late.first_response).toMatchObject({
      breached: true,
      breached_at: '2026-11-20T11:00:00.000Z',
      met_at: '2026-11-20T11:10:00.000Z',
    });
    expect(nextWake(late)).toBe('2026-11-20T10:30:00.000Z');
    expect(told(late, on('12:00'))).toEqual([
      'first_response/1/warning/50',
      'first_response/1/warning/80',
      'first_response/1/breach',
    ]);
  });

  test('an event dated before the last change counts as made just then', () => {
    const later = agentReplied(started(), null, on('10:20'));
    const asked = customerMessaged(later, null, on('10:19'));
    expect(asked.next_response?.started_at).toBe('2026-11-20T10:20:00.000Z');
  });
});

describe('pause', () => {
  test('has no timer and no deadline, and gives the time that was left', () => {
    const waiting = paused(started(), null, on('10:20'));
    expect(nextWake(waiting)).toBeNull();
    expect(due(waiting, new Date('2027-11-20T00:00:00Z'))).toEqual([]);
    expect(presentSla(waiting)).toMatchObject({
      first_response: { due_at: null, breached: false },
      paused_since: '2026-11-20T10:20:00.000Z',
    });
    const back = resumed(waiting, null, on('18:00'));
    expect(back.first_response?.due_at).toBe('2026-11-20T18:40:00.000Z');
    expect(nextWake(back)).toBe('2026-11-20T18:10:00.000Z');
    expect(back.paused_since).toBeNull();
  });

  test('from pending to on hold is one pause', () => {
    const held = statusChanged(
      statusChanged(started(), null, 'pending', on('10:20')),
      null,
      'on_hold',
      on('12:00'),
    );
    expect(held.paused_since).toBe('2026-11-20T10:20:00.000Z');
    expect(resumed(held, null, on('13:00')).first_response?.consumed_ms).toBe(20 * 60_000);
  });

  test('a breach that a late wake left is told even while paused', () => {
    const waiting = paused(started(), null, on('11:05'));
    expect(nextWake(waiting)).not.toBeNull();
    expect(told(waiting, on('11:05'))).toContain('first_response/1/breach');
    const calm = applied(waiting, due(waiting, on('11:05')), on('11:05'));
    expect(nextWake(calm)).toBeNull();
  });

  test('holds an escalation back, and it comes after the rest of its time', () => {
    const breached = applied(started(), due(started(), on('11:10')), on('11:10'));
    const back = resumed(paused(breached, null, on('11:10')), null, on('14:00'));
    expect(back.first_response).toMatchObject({
      due_at: '2026-11-20T11:00:00.000Z',
      breached: true,
    });
    expect(nextWake(back)).toBe('2026-11-20T14:20:00.000Z');
    expect(told(back, on('14:20'))).toEqual(['escalation/1']);
  });

  test('over the end of summer time counts business minutes alone', () => {
    const friday = new Date('2026-10-23T12:00:00.000Z'); // 14:00 in summer time
    const state = startSla(officePolicy, berlin, { priority: 'normal' }, friday);
    const waiting = paused(state, berlin, new Date('2026-10-23T14:00:00.000Z'));
    const back = resumed(waiting, berlin, new Date('2026-10-26T09:00:00.000Z')); // 10:00 in winter
    // 600 minutes less two hours on Friday: seven on Monday, one on Tuesday.
    expect(back.resolution?.due_at).toBe('2026-10-27T09:00:00.000Z');
  });

  test('a question during it waits with it', () => {
    const waiting = paused(agentReplied(started(), null, on('10:10')), null, on('10:20'));
    const asked = customerMessaged(waiting, null, on('12:00'));
    expect(nextWake(asked)).toBeNull();
    expect(resumed(asked, null, on('13:00')).next_response?.due_at).toBe(
      '2026-11-20T15:00:00.000Z',
    );
  });
});

describe('the end and after', () => {
  test('resolving meets what was open and stops every timer', () => {
    const done = resolved(agentReplied(started(), null, on('10:10')), null, on('11:00'));
    expect(nextWake(done)).toBeNull();
    expect(presentSla(done)?.resolution).toEqual({
      due_at: '2026-11-20T20:00:00.000Z',
      met_at: '2026-11-20T11:00:00.000Z',
      breached: false,
    });
    expect(statusChanged(done, null, 'closed', on('15:00')).resolution?.met_at).toBe(
      '2026-11-20T11:00:00.000Z',
    );
  });

  test('a reopened ticket goes on with its resolution, without the time it was resolved', () => {
    const done = resolved(agentReplied(started(), null, on('10:10')), null, on('11:00'));
    const back = customerMessaged(reopened(done, null, on('19:00')), null, on('19:00'));
    expect(back.resolution).toMatchObject({ met_at: null, due_at: '2026-11-21T04:00:00.000Z' });
    expect(back.next_response).toMatchObject({ round: 1, due_at: '2026-11-20T21:00:00.000Z' });
    expect(back.first_response?.met_at).toBe('2026-11-20T10:10:00.000Z');
  });

  test('a reopened ticket repeats no warning, breach or level', () => {
    const all = slept(started(), on('23:00')).state;
    const back = reopened(resolved(all, null, on('23:00')), null, on('23:10'));
    expect(nextWake(back)).toBeNull();
    expect(back.resolution).toMatchObject({ breached: true, due_at: '2026-11-20T20:00:00.000Z' });
  });

  test('spam ends it, told or not; taken back it goes on', () => {
    const spam = markedSpam(started(), null, on('10:40'));
    expect(nextWake(spam)).toBeNull();
    expect(presentSla(spam)?.first_response).toEqual({
      due_at: null,
      met_at: null,
      breached: false,
    });
    const back = statusChanged(spam, null, 'open', on('12:00'));
    expect(back.first_response?.due_at).toBe('2026-11-20T12:20:00.000Z');
    expect(told(back, on('12:08'))).toEqual(['first_response/1/warning/80']);
  });
});
