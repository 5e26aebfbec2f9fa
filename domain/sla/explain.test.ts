import { describe, expect, test } from '@jest/globals';
import { on, policy, started } from './clock.fixture.ts';
import { paused, resolved, startSla } from './clock.ts';
import { explainSla } from './explain.ts';
import { applied, due } from './wake.ts';

describe('in plain words', () => {
  test('says what is due, paused, breached and reached', () => {
    expect(explainSla(started())).toBe(
      'First response due 2026-11-20 11:00 UTC; resolution due 2026-11-20 20:00 UTC; next wake 2026-11-20 10:30 UTC.',
    );
    const late = applied(started(), due(started(), on('11:30')), on('11:30'));
    expect(explainSla(paused(late, null, on('11:40')))).toBe(
      'First response breached 2026-11-20 11:00 UTC; resolution waits with 8 h 20 min left; paused since 2026-11-20 11:40 UTC; escalation level 1.',
    );
    expect(explainSla(resolved(started(), null, on('10:10')))).toBe(
      'First response met 2026-11-20 10:10 UTC; resolution met 2026-11-20 10:10 UTC.',
    );
    expect(explainSla(startSla(null, null, { priority: 'low' }, on('10:00')))).toBe(
      'No SLA policy applies.',
    );
    expect(explainSla(startSla(policy, null, { priority: 'low' }, on('10:00')))).toBe(
      'No target at this priority; nothing more to wait for.',
    );
  });
});
