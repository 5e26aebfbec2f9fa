import { describe, expect, it } from '@jest/globals';
import { fingerprintOf, recognized, summaryOf } from './cursor.ts';

const ids = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => fingerprintOf(`uid-${from + index}`));
const unknown = (found: readonly boolean[]) => found.filter((is) => !is).length;

describe('what was looked at', () => {
  const all = ids(0, 50_000);
  const looked = summaryOf(all);

  it('is under 12 kB for 50,000 mails, and recognizes them all', () => {
    expect(JSON.stringify(looked).length).toBeLessThan(12_000);
    expect(unknown(recognized(looked, all))).toBe(0);
  });

  it('tells new mail at the end, or at the beginning, from it exactly', () => {
    const more = ids(50_000, 50_300);
    expect(recognized(looked, [...all, ...more]).indexOf(false)).toBe(50_000);
    expect(unknown(recognized(looked, [...all, ...more]))).toBe(300);
    const before = recognized(looked, [...more, ...all]);
    expect(before.slice(0, 300)).not.toContain(true);
    expect(unknown(before)).toBeLessThan(300 + 500);
  });

  it('does not know only of the neighbours where others deleted a mail', () => {
    for (const gone of [0, 17, 25_000, 49_999]) {
      const left = all.toSpliced(gone, 1);
      expect(unknown(recognized(looked, left))).toBeLessThan(700);
    }
  });

  it('never takes a mail for known that was not looked at', () => {
    expect(recognized(looked, ids(60_000, 70_000))).not.toContain(true);
    expect(recognized(summaryOf([]), all)).not.toContain(true);
    expect(recognized(looked, [])).toEqual([]);
  });

  it('can be told from any part of the way', () => {
    for (const upTo of [0, 1, 63, 64, 65, 1000, 12_345])
      expect(recognized(summaryOf(all.slice(0, upTo)), all).indexOf(false)).toBe(upTo);
  });
});
