import { describe, expect, it } from '@jest/globals';
import { closesAt, endsAt, whereMessageGoes, type TicketRules } from './ticket-lifecycle.ts';

const rules: TicketRules = {
  policies: [],
  calendars: new Map(),
  autoCloseHours: 96,
  reopenWindowDays: 7,
  afterClosing: 'reopen',
};
const ended = new Date('2026-01-01T00:00:00Z');
const after = (ms: number) => new Date(ended.getTime() + ms);
const day = 86_400_000;
const closed = { status: 'closed', resolved_at: null, closed_at: ended } as const;

describe('where a customer’s message goes', () => {
  it('reopens a closed ticket until its window ends, and follows up after that', () => {
    expect(whereMessageGoes(closed, rules, after(7 * day - 1))).toBe('reopen');
    expect(whereMessageGoes(closed, rules, after(7 * day))).toBe('follow_up');
  });

  it('follows up at once where that is the tenant’s rule', () => {
    const followUp: TicketRules = { ...rules, afterClosing: 'follow_up' };
    expect(whereMessageGoes(closed, followUp, after(day))).toBe('follow_up');
  });

  it('joins an open ticket, opens a waiting or resolved one, and leaves spam alone', () => {
    const goes = (status: 'open' | 'pending' | 'on_hold' | 'resolved' | 'spam') =>
      whereMessageGoes({ status, resolved_at: ended, closed_at: ended }, rules, after(900 * day));
    expect(goes('open')).toBe('join');
    expect(goes('pending')).toBe('reopen');
    expect(goes('on_hold')).toBe('reopen');
    expect(goes('resolved')).toBe('reopen');
    expect(goes('spam')).toBe('join');
  });
});

describe('a ticket’s end', () => {
  it('closes a resolved ticket by itself after the tenant’s hours', () => {
    const resolved = { status: 'resolved', resolved_at: ended, closed_at: null } as const;
    expect(closesAt(resolved, rules)).toEqual(after(4 * day));
    expect(closesAt(closed, rules)).toBeNull();
  });

  it('comes with the end of the reopen window, for closed and spam tickets alone', () => {
    expect(endsAt(closed, rules)).toEqual(after(7 * day));
    expect(endsAt({ ...closed, status: 'spam' }, rules)).toEqual(after(7 * day));
    expect(endsAt({ ...closed, status: 'open' }, rules)).toBeNull();
  });
});
