import { describe, expect, it } from '@jest/globals';
import type { StreamEndpoint } from '../db/queries/stream.ts';
import type { TenantId } from '../domain/ids.ts';
import { Lane } from './dispatch-lane.ts';

const AT = 1_000_000;

function lane(failuresInRow = 0): Lane {
  const endpoint: StreamEndpoint = {
    mode: 'stream',
    gear: 'workflow',
    failuresInRow,
    target: { state: 'active', url: '', secret: '', headers: {}, timeoutMs: 1, verifyTls: true },
  };
  return new Lane('tnt' as TenantId, 'whe', endpoint, AT);
}

describe('a lane', () => {
  it('is paused after five failures in a row, longer with each further one, five minutes at most', () => {
    const failing = lane();
    const first = [1, 2, 3, 4].map(() => failing.answered(false, 1, AT));
    expect(first).toEqual([null, null, null, null]);
    expect(failing.answered(false, 1, AT)).toEqual({ forMs: 1_000, failuresInRow: 5 });
    expect(failing.width(AT)).toBe(0);
    expect(failing.room(AT)).toBe(0);

    let now = AT;
    const pauses = Array.from({ length: 12 }, () => {
      now = failing.pausedUntil;
      return failing.answered(false, 1, now)! as { forMs: number };
    });
    expect(pauses.map(({ forMs }) => forMs).slice(0, 3)).toEqual([2_000, 4_000, 8_000]);
    expect(pauses.at(-1)!.forMs).toBe(300_000);
  });

  it('does not lengthen its pause by failures of posts that were under way when it began', () => {
    const failing = lane(4);
    expect(failing.answered(false, 1, AT)).toEqual({ forMs: 1_000, failuresInRow: 5 });
    expect(failing.answered(false, 1, AT + 10)).toBeNull();
    expect(failing.pausedUntil).toBe(AT + 1_000);
  });

  it('tries an endpoint that was down with one post, and is as wide as ever once that arrives', () => {
    const down = lane(7);
    expect([down.width(AT), down.room(AT)]).toEqual([1, 1]);
    down.underWay = 1;
    expect(down.room(AT)).toBe(0);
    expect(down.answered(true, 1, AT)).toBe('recovered');
    expect(down.width(AT)).toBe(32);
  });

  it('waits for the next second when forty posts failed among others that arrived', () => {
    const shaky = lane();
    for (let failure = 0; failure < 40; failure += 1) {
      shaky.answered(true, 1, AT);
      expect(shaky.answered(false, 1, AT)).toBeNull();
    }
    expect(shaky.width(AT + 999)).toBe(0);
    expect(shaky.width(AT + 1_000)).toBe(32);
  });

  it('takes few rows ahead where answers are slow', () => {
    const quick = lane();
    const slow = lane();
    for (let answer = 0; answer < 20; answer += 1) {
      quick.answered(true, 5, AT);
      slow.answered(true, 3_000, AT);
    }
    expect(quick.room(AT)).toBe(400);
    expect(slow.room(AT)).toBe(32);
  });
});
