import { BusinessCalendar } from './calendar.ts';
import { startSla } from './clock.ts';
import { SlaPolicy } from './policy.ts';
import type { SlaState } from './state.ts';
import { due, occurrenceKey } from './wake.ts';

const office: [string, string][] = [['09:00', '17:00']];
export const berlin = BusinessCalendar.parse({
  id: 'cal_berlin',
  name: 'Berlin office',
  time_zone: 'Europe/Berlin',
  hours: { monday: office, tuesday: office, wednesday: office, thursday: office, friday: office },
});

export const policy = SlaPolicy.parse({
  id: 'sla_1',
  name: 'Standard',
  targets: {
    normal: { first_response_minutes: 60, next_response_minutes: 120, resolution_minutes: 600 },
    urgent: { first_response_minutes: 30, next_response_minutes: 30, resolution_minutes: 120 },
  },
  warn_at_percent: [50, 80],
  escalations: [
    {
      level: 1,
      metric: 'first_response',
      after_minutes: 30,
      actions: [{ type: 'notify', to: ['lead@example.com'] }],
    },
    { level: 2, metric: 'resolution', after_minutes: 60, actions: [{ type: 'raise_priority' }] },
  ],
});
export const officePolicy = SlaPolicy.parse({
  ...policy,
  id: 'sla_office',
  calendar_id: berlin.id,
});

export const on = (time: string): Date => new Date(`2026-11-20T${time}:00.000Z`);
export const started = (): SlaState => startSla(policy, null, { priority: 'normal' }, on('10:00'));
export const told = (state: SlaState, now: Date): string[] => due(state, now).map(occurrenceKey);
