import { describe, expect, test } from '@jest/globals';
import { BusinessCalendar } from './calendar.ts';
import { berlin, officePolicy, on, policy, started, told } from './clock.fixture.ts';
import {
  expectReachable,
  paused,
  policyChanged,
  priorityChanged,
  resumed,
  startSla,
} from './clock.ts';
import { presentSla } from './present.ts';
import { applied, due, nextWake } from './wake.ts';

describe('a change of priority or policy', () => {
  test('keeps the time counted and sets the new deadlines', () => {
    const state = priorityChanged(started(), policy, null, 'urgent', on('10:20'));
    expect(state.first_response?.due_at).toBe('2026-11-20T10:30:00.000Z');
    expect(state.resolution?.due_at).toBe('2026-11-20T12:00:00.000Z');
    expect(nextWake(state)).toBe('2026-11-20T10:20:00.000Z'); // half of 30 minutes has passed
  });

  test('that leaves less than has passed falls due at once, not in the past', () => {
    const state = priorityChanged(
      applied(started(), [], on('10:20')),
      policy,
      null,
      'urgent',
      on('10:55'),
    );
    expect(state.first_response?.due_at).toBe('2026-11-20T10:55:00.000Z');
    expect(told(state, on('10:55'))).toContain('first_response/1/breach');
    expect(nextWake(applied(state, due(state, on('10:55')), on('10:55')))).not.toBeNull();
    const escalation = state.escalations_due.find(({ level }) => level === 1);
    expect(escalation?.at).toBe('2026-11-20T11:25:00.000Z'); // 30 minutes after the breach
  });

  test('that makes everything due at the same instant tells warnings before the breach', () => {
    const low = startSla(
      policy,
      null,
      { priority: 'low', awaiting: 'first_response' },
      on('10:00'),
    );
    const urgent = priorityChanged(low, policy, null, 'urgent', on('10:40'));
    expect(told(urgent, on('10:40'))).toEqual([
      'first_response/1/warning/50',
      'first_response/1/warning/80',
      'first_response/1/breach',
    ]);
  });

  test('while paused takes effect when resumed', () => {
    const waiting = priorityChanged(
      paused(started(), null, on('10:20')),
      policy,
      null,
      'urgent',
      on('11:00'),
    );
    expect(nextWake(waiting)).toBeNull();
    expect(resumed(waiting, null, on('12:00')).first_response?.due_at).toBe(
      '2026-11-20T12:10:00.000Z',
    );
  });

  test('leaves what was met or breached as it was, and repeats nothing', () => {
    const late = applied(started(), due(started(), on('11:30')), on('11:30'));
    const urgent = priorityChanged(late, policy, null, 'urgent', on('11:30'));
    expect(urgent.first_response).toMatchObject({
      due_at: '2026-11-20T11:00:00.000Z',
      target_ms: 3_600_000,
    });
    expect(told(urgent, on('11:35'))).toEqual(['resolution/1/warning/50']);
  });

  test('to another calendar counts the past by the old one', () => {
    const state = startSla(policy, null, { priority: 'normal' }, on('10:00'));
    const moved = policyChanged(
      state,
      { policy: officePolicy, priority: 'normal', from: null, to: berlin },
      on('15:00'),
    );
    expect(moved.resolution?.consumed_ms).toBe(5 * 3_600_000);
    expect(moved.resolution?.due_at).toBe('2026-11-23T12:00:00.000Z'); // 1 h Friday, 4 h Monday
    expect(moved.calendar_id).toBe('cal_berlin');
  });

  test('gives a ticket without one its policy, counted from its beginning by the new calendar', () => {
    const none = startSla(null, null, { priority: 'normal' }, on('06:00'));
    const given = policyChanged(
      none,
      { policy: officePolicy, priority: 'normal', from: null, to: berlin },
      on('08:30'),
    );
    expect(given.first_response?.due_at).toBe('2026-11-20T09:00:00.000Z');
    expect(presentSla(given)?.policy_id).toBe('sla_office');
  });

  test('to none takes every timer away', () => {
    const none = policyChanged(
      started(),
      { policy: null, priority: 'normal', from: null, to: null },
      on('10:10'),
    );
    expect(nextWake(none)).toBeNull();
  });

  test('a calendar other than the recorded one is refused, and a missing one too', () => {
    expect(() => paused(started(), berlin, on('10:10'))).toThrow(
      'this SLA was computed with calendar none but got cal_berlin; to change the calendar use policyChanged',
    );
    expect(() => startSla(officePolicy, null, { priority: 'normal' }, on('10:10'))).toThrow(
      'SLA policy sla_office counts by calendar cal_berlin; pass that calendar',
    );
  });

  test('a policy whose targets its calendar can never reach is found when it is saved', () => {
    const sundays = BusinessCalendar.parse({
      ...berlin,
      hours: { sunday: [['09:00', '09:01']] },
    });
    expect(() => expectReachable(officePolicy, berlin, on('10:00'))).not.toThrow();
    expect(() => expectReachable(officePolicy, sundays, on('10:00'))).toThrow(/five years/);
  });
});
