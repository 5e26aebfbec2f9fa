import { expect, test } from '@jest/globals';
import { afterTrial, isTrialDue, standingRefusal, worstRefusal, type Refusal } from './refusal.ts';

const AT = new Date('2026-11-20T03:00:00Z');
const later = (minutes: number) => new Date(AT.getTime() + minutes * 60_000);
const refusal = (change: Partial<Refusal> = {}): Refusal => ({
  type: 'vendor.token_expired',
  detail: 'The token has expired: make a new one.',
  since: AT.toISOString(),
  met_at: AT.toISOString(),
  version: 3,
  tried: null,
  seen: false,
  ...change,
});

test('a refused vendor is asked once in ten minutes, and at once after an admin’s change', () => {
  const channel = { refusals: { send: refusal() }, version: 3 };
  expect(standingRefusal(channel, 'send', later(9))).toMatchObject({
    type: 'vendor.token_expired',
  });
  expect(standingRefusal(channel, 'send', later(10))).toBeNull();
  expect(standingRefusal({ ...channel, version: 4 }, 'send', later(1))).toBeNull();
  expect(standingRefusal(channel, 'file', later(1))).toBeNull();
});

test('credentials are tried at first, after a change, and now and then', () => {
  expect(isTrialDue({ send: refusal() }, 3, later(0))).toBe(true);
  const tried = { send: refusal({ tried: { at: later(1).toISOString(), version: 3 } }) };
  expect(isTrialDue(tried, 3, later(2))).toBe(false);
  expect(isTrialDue(tried, 4, later(2))).toBe(true);
  expect(isTrialDue(tried, 3, later(11))).toBe(true);
  expect(isTrialDue({}, 3, later(11))).toBe(false);
});

const trial = (version: number, begun = later(1)) => ({ version, begun, now: later(2) });

test('what a trial saw is gone once it sees it no more', () => {
  const seen = afterTrial({ send: refusal() }, 'refused', trial(3));
  expect(seen).toMatchObject({
    send: { seen: true, tried: { at: later(2).toISOString(), version: 3 } },
  });
  // It may have seen something else: an answer is tried all the same after an admin's change.
  expect(afterTrial({ send: refusal() }, 'refused', trial(4))).toMatchObject({
    send: { version: 3, seen: true },
  });
  expect(afterTrial(seen, 'unreachable', trial(3, later(3)))).toMatchObject({
    send: { seen: true },
  });
  expect(afterTrial(seen, 'fine', trial(3, later(3)))).toEqual({});
});

test('what a trial can’t see stands, until an admin changes something', () => {
  const blind = afterTrial({ send: refusal() }, 'fine', trial(3));
  expect(blind).toMatchObject({ send: { seen: false } });
  expect(afterTrial(blind, 'fine', trial(3, later(20)))).toMatchObject(blind);
  expect(afterTrial(blind, 'fine', trial(4, later(20)))).toEqual({});
});

test('a trial says nothing of what was refused since it began', () => {
  const met = { send: refusal({ met_at: later(5).toISOString(), seen: true }) };
  expect(afterTrial(met, 'fine', trial(4, later(4)))).toEqual(met);
});

test('answers that can’t be sent are the gravest', () => {
  expect(worstRefusal({})).toBeNull();
  expect(worstRefusal({ file: refusal(), send: refusal({ type: 'vendor.permission' }) })).toEqual({
    type: 'vendor.permission',
    detail: 'Answers can’t be sent. The token has expired: make a new one.',
  });
});
