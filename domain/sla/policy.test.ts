import { describe, expect, test } from '@jest/globals';
import {
  choosePolicy,
  escalationActions,
  raisedPriority,
  SlaPolicy,
  SlaPolicyInput,
  type PolicyFacts,
} from './policy.ts';

const targets = { normal: { first_response_minutes: 60 } };
const policy = (id: string, given: object = {}): SlaPolicy =>
  SlaPolicy.parse({ id, name: id, targets, ...given });
const facts: PolicyFacts = {
  provider: 'imap',
  channel_id: 'chn_1',
  priority: 'normal',
  tags: ['vip', 'billing'],
};

describe('choosing a policy', () => {
  const chosen = (...policies: SlaPolicy[]): string | undefined =>
    choosePolicy(policies, facts)?.id;

  test('takes the first by position, whatever the order it is given in', () => {
    expect(chosen(policy('a', { position: 2 }), policy('b', { position: 1 }))).toBe('b');
    expect(chosen(policy('z', { position: 1 }), policy('y', { position: 1 }))).toBe('y');
  });

  test('passes over inactive ones, and finds none where none fits', () => {
    expect(chosen(policy('a', { is_active: false }), policy('b', { position: 5 }))).toBe('b');
    expect(choosePolicy([policy('a', { conditions: { tags: ['other'] } })], facts)).toBeNull();
  });

  test.each([
    [{ channels: ['imap'] }, true],
    [{ channels: ['chn_1', 'whatsapp'] }, true],
    [{ channels: ['whatsapp'] }, false],
    [{ priorities: ['high', 'urgent'] }, false],
    [{ tags: ['vip', 'gold'] }, true],
    [{ tags: ['gold'] }, false],
    [{ channels: ['imap'], tags: ['gold'] }, false],
    [{ channels: [], priorities: [], tags: [] }, true],
  ])('conditions %j hold: %j', (conditions, holds) => {
    expect(chosen(policy('a', { conditions }))).toBe(holds ? 'a' : undefined);
  });
});

describe('what a policy must be', () => {
  const problems = (given: object): string[] =>
    (SlaPolicyInput.safeParse({ name: 'Standard', targets, ...given }).error?.issues ?? []).map(
      (issue) => `${issue.path.join('.')}: ${issue.message}`,
    );

  test('little is needed; the rest has defaults', () => {
    expect(SlaPolicyInput.parse({ name: 'Standard', targets })).toEqual({
      name: 'Standard',
      position: 0,
      is_active: true,
      conditions: {},
      targets,
      calendar_id: null,
      warn_at_percent: [80],
      escalations: [],
    });
  });

  test('wrong ones are refused with the place and the cure', () => {
    expect(problems({ targets: { normal: {} } })).toEqual([
      'targets: the policy sets no target; give at least one priority a target',
    ]);
    expect(problems({ targets: { normal: { first_response_minutes: 0 } } })).toEqual([
      'targets.normal.first_response_minutes: a target is more than 0 minutes; leave it out to set none',
    ]);
    expect(problems({ warn_at_percent: [50, 100] })).toEqual([
      'warn_at_percent.1: a warning comes at 1 to 99 % of the target',
    ]);
    expect(problems({ warn_at_percent: [50, 50] })).toEqual([
      'warn_at_percent: a warning percentage is listed twice',
    ]);
    const step = { level: 1, after_minutes: 5, actions: [{ type: 'emit_event' }] };
    expect(problems({ escalations: [step, step] })).toEqual([
      'escalations: an escalation level is listed twice; give each step a level of its own',
    ]);
    expect(problems({ escalations: [{ ...step, actions: [{ type: 'shout' }] }] })).toHaveLength(1);
    expect(problems({ target: {} })[0]).toMatch(/target/);
  });
});

describe('an escalation', () => {
  test('has its actions looked up by level; a level that is gone does nothing', () => {
    const actions = [{ type: 'assign_team' as const, team_id: 'tea_1' }];
    const withOne = policy('a', { escalations: [{ level: 2, after_minutes: 0, actions }] });
    expect(escalationActions(withOne, 2)).toEqual(actions);
    expect(escalationActions(withOne, 1)).toEqual([]);
  });

  test('raises by a step or to a priority, and never lowers', () => {
    expect(raisedPriority('low')).toBe('normal');
    expect(raisedPriority('urgent')).toBe('urgent');
    expect(raisedPriority('low', 'urgent')).toBe('urgent');
    expect(raisedPriority('high', 'normal')).toBe('high');
  });
});
