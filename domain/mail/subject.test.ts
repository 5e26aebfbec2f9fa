import { describe, expect, it } from '@jest/globals';
import { baseSubject, isForwarded, replySubject, subjectKey } from './subject.ts';

describe('subject', () => {
  it.each([
    'Re: x',
    'RE: re: x',
    'Re[5]: x',
    'Re(2): x',
    'Re^2: x',
    'AW: x',
    'Antw: x',
    'SV: VS: x',
    'RES: x',
    'RIF: x',
    'TR: x',
    'Fwd: x',
    'FW: Re: x',
    'WG: x',
    'RV: x',
    'ENC: x',
    'Odp: x',
    'YNT: x',
    'Отв: x',
    'Ответ: x',
    '回复: x',
    '回覆: x',
    '转发: x',
    '返信: x',
    '답장: x',
    'ΑΠ: x',
    '[External] Re: x',
    'Re: [EXT] AW: x',
    '[EXTERNAL EMAIL]: x',
  ])('%j is about x', (subject) => {
    expect(baseSubject(subject)).toBe('x');
  });

  it.each(['Result: ok', 'Reset: now', '[ACME-12] x', 'Area: y', '[#12] x'])(
    '%j is left whole',
    (subject) => {
      expect(baseSubject(subject)).toBe(subject);
    },
  );

  it('has one key for a whole conversation', () => {
    expect(subjectKey('Re: Printer  broken [#12]')).toBe(subjectKey('printer broken'));
    expect(subjectKey(null)).toBe('');
  });

  it('tells forwards', () => {
    expect(isForwarded('[External] Fwd: x')).toBe(true);
    expect(isForwarded('Re: Fwd: x')).toBe(false);
    expect(isForwarded(null)).toBe(false);
  });

  it('is marked once in an answer', () => {
    expect(replySubject('AW: Re: x')).toBe('Re: x');
    expect(replySubject(null)).toBe('Re: (no subject)');
  });

  it('is read in bounded time', () => {
    const start = performance.now();
    baseSubject('Re: '.repeat(100_000));
    baseSubject('['.repeat(500_000));
    baseSubject(`Re${' '.repeat(500_000)}`);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
