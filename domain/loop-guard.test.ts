import { describe, expect, test } from '@jest/globals';
import { isFresh, loopReason, senderLimit, subjectLimit, withinHour } from './loop-guard.ts';

describe('edge 20: a responder without any header', () => {
  test('is told by the same subject over and over, or by its many mails', () => {
    const calm = { messages: senderLimit, underSubject: subjectLimit };
    expect(loopReason('a@b.example', calm)).toBeNull();
    expect(loopReason('a@b.example', { ...calm, underSubject: subjectLimit + 1 })).toMatch(
      /21 messages with the same subject/,
    );
    expect(loopReason('a@b.example', { ...calm, messages: senderLimit + 1 })).toMatch(
      /101 messages within an hour/,
    );
  });

  test('is counted over the last sixty minutes', () => {
    expect(withinHour(3, 40, new Date('2026-11-21T10:00:00Z'))).toBe(43);
    expect(withinHour(3, 40, new Date('2026-11-21T10:45:00Z'))).toBe(13);
  });

  test('is not suspected where old mail is imported', () => {
    const now = new Date('2026-11-21T10:00:00Z');
    expect(isFresh('2026-11-20T11:00:00Z', now)).toBe(true);
    expect(isFresh('2026-11-19T09:00:00Z', now)).toBe(false);
  });
});
