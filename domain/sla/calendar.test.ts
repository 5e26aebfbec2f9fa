import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  addBusinessTime,
  businessTimeBetween,
  BusinessCalendar,
  BusinessCalendarInput,
  CalendarError,
} from './calendar.ts';
import { wallClockMinutes } from './wall-clock.oracle.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const allWeek = (...day: [string, string][]): BusinessCalendar['hours'] => ({
  monday: day,
  tuesday: day,
  wednesday: day,
  thursday: day,
  friday: day,
  saturday: day,
  sunday: day,
});

const office: [string, string][] = [
  ['09:00', '12:30'],
  ['13:30', '17:00'],
];

const calendar = (given: Partial<BusinessCalendar>): BusinessCalendar =>
  BusinessCalendar.parse({
    id: 'cal_1',
    name: 'Office',
    time_zone: 'Europe/Berlin',
    hours: { monday: office, tuesday: office, wednesday: office, thursday: office, friday: office },
    ...given,
  });

const after = (cal: BusinessCalendar | null, from: string, ms: number): string =>
  addBusinessTime(cal, new Date(from), ms).toISOString();
const between = (cal: BusinessCalendar | null, a: string, b: string): number =>
  businessTimeBetween(cal, new Date(a), new Date(b));

describe('business time on ordinary days', () => {
  const cal = calendar({ holidays: [{ date: '2026-12-25', name: 'Christmas Day' }] });

  test('skips the lunch break, the night and the weekend', () => {
    expect(after(cal, '2026-11-20T11:00:00.000Z', HOUR)).toBe('2026-11-20T13:00:00.000Z');
    expect(after(cal, '2026-11-20T15:30:00.000Z', HOUR)).toBe('2026-11-23T08:30:00.000Z');
  });

  test('ends at closing time when the hours are used up there, not at the next opening', () => {
    expect(after(cal, '2026-11-20T15:00:00.000Z', HOUR)).toBe('2026-11-20T16:00:00.000Z');
  });

  test('leaves holidays out', () => {
    expect(after(cal, '2026-12-24T15:30:00.000Z', HOUR)).toBe('2026-12-28T08:30:00.000Z');
    expect(between(cal, '2026-12-25T00:00:00.000Z', '2026-12-26T00:00:00.000Z')).toBe(0);
  });

  test('a holiday is a whole day of the calendar, not of UTC', () => {
    const auckland = calendar({
      time_zone: 'Pacific/Auckland',
      hours: allWeek(['00:00', '24:00']),
      holidays: [{ date: '2026-07-10', name: 'Matariki' }],
    });
    expect(between(auckland, '2026-07-09T12:00:00.000Z', '2026-07-10T12:00:00.000Z')).toBe(0);
    expect(after(auckland, '2026-07-09T11:59:00.000Z', 2 * MINUTE)).toBe(
      '2026-07-10T12:01:00.000Z',
    );
  });

  test('a night shift runs through midnight', () => {
    const night = calendar({ hours: allWeek(['00:00', '06:00'], ['22:00', '24:00']) });
    expect(between(night, '2026-11-20T20:00:00.000Z', '2026-11-21T06:00:00.000Z')).toBe(8 * HOUR);
    expect(after(night, '2026-11-20T21:00:00.000Z', 3 * HOUR)).toBe('2026-11-21T00:00:00.000Z');
  });

  test('no calendar is round the clock; nothing passes backwards; nothing added is nothing', () => {
    expect(after(null, '2026-03-29T00:30:00.000Z', HOUR)).toBe('2026-03-29T01:30:00.000Z');
    expect(between(null, '2026-11-20T10:00:00.000Z', '2026-11-20T09:00:00.000Z')).toBe(0);
    expect(between(cal, '2026-11-20T10:00:00.000Z', '2026-11-20T09:00:00.000Z')).toBe(0);
    expect(after(cal, '2026-11-21T10:00:00.000Z', 0)).toBe('2026-11-21T10:00:00.000Z');
  });

  test('counts to the millisecond', () => {
    expect(between(cal, '2026-11-20T15:59:59.999Z', '2026-11-23T08:00:00.002Z')).toBe(3);
  });
});

describe('daylight saving', () => {
  const night = (time_zone: string): BusinessCalendar =>
    calendar({ time_zone, hours: allWeek(['01:00', '04:00']) });
  /** From noon UTC of the day before to noon UTC. */
  const nightOf = (cal: BusinessCalendar, date: string): number => {
    const midnight = Date.parse(`${date}T00:00:00Z`);
    return businessTimeBetween(cal, new Date(midnight - 12 * HOUR), new Date(midnight + 12 * HOUR));
  };

  test('Europe/Berlin: two hours on the night that skips one, four on the night that repeats one', () => {
    expect(nightOf(night('Europe/Berlin'), '2026-03-29')).toBe(2 * HOUR);
    expect(nightOf(night('Europe/Berlin'), '2026-10-25')).toBe(4 * HOUR);
    expect(after(night('Europe/Berlin'), '2026-03-29T00:00:00.000Z', 90 * MINUTE)).toBe(
      '2026-03-29T01:30:00.000Z',
    );
  });

  test('America/New_York: the same two nights, on its own dates', () => {
    expect(nightOf(night('America/New_York'), '2026-03-08')).toBe(2 * HOUR);
    expect(nightOf(night('America/New_York'), '2026-11-01')).toBe(4 * HOUR);
  });

  test('Australia/Lord_Howe moves by half an hour', () => {
    const cal = night('Australia/Lord_Howe');
    expect(between(cal, '2026-10-03T12:00:00.000Z', '2026-10-04T12:00:00.000Z')).toBe(2.5 * HOUR);
    expect(between(cal, '2026-04-04T12:00:00.000Z', '2026-04-05T12:00:00.000Z')).toBe(3.5 * HOUR);
  });

  test('a window inside the repeated hour opens twice, one inside the skipped hour never', () => {
    const cal = calendar({ hours: allWeek(['02:15', '02:45']) });
    expect(after(cal, '2026-10-25T00:00:00.000Z', 45 * MINUTE)).toBe('2026-10-25T01:30:00.000Z');
    expect(nightOf(cal, '2026-03-29')).toBe(0);
  });

  test('an office day keeps its wall-clock hours across the change', () => {
    const cal = calendar({});
    expect(after(cal, '2026-03-27T15:30:00.000Z', HOUR)).toBe('2026-03-30T07:30:00.000Z');
    expect(after(cal, '2026-10-23T14:30:00.000Z', HOUR)).toBe('2026-10-26T08:30:00.000Z');
  });

  test('a day that a zone leaves out altogether counts nothing', () => {
    const apia = calendar({ time_zone: 'Pacific/Apia', hours: allWeek(['00:00', '24:00']) });
    const fridays = calendar({
      time_zone: 'Pacific/Apia',
      hours: { friday: [['00:00', '24:00']] },
    });
    expect(between(apia, '2011-12-29T10:00:00.000Z', '2011-12-31T10:00:00.000Z')).toBe(48 * HOUR);
    const saturdays = calendar({
      time_zone: 'Pacific/Kiritimati',
      hours: { saturday: [['00:00', '24:00']] },
    });
    expect(between(saturdays, '1994-12-26T00:00:00.000Z', '1995-01-02T00:00:00.000Z')).toBe(0);
    expect(between(fridays, '2011-12-26T00:00:00.000Z', '2012-01-02T00:00:00.000Z')).toBe(0);
  });
});

describe('far targets', () => {
  const yearly = calendar({
    hours: { sunday: [['09:00', '09:01']] },
    holidays: [{ date: '2026-11-22', name: 'Closed' }],
  });

  test('an answer more than five years ahead is refused with the calendar named', () => {
    expect(() => addBusinessTime(yearly, new Date('2026-11-20T00:00:00Z'), 5 * HOUR)).toThrow(
      /calendar "Office" holds less than 18000000 ms/,
    );
  });

  test('a negative or broken time is refused', () => {
    const now = new Date('2026-11-20T00:00:00Z');
    expect(() => addBusinessTime(null, now, -1)).toThrow(CalendarError);
    expect(() => addBusinessTime(null, now, Number.NaN)).toThrow(CalendarError);
    expect(() => addBusinessTime(yearly, new Date('never'), 1)).toThrow(/invalid date/);
  });

  test('four years of office hours take milliseconds, not a walk over minutes', () => {
    const cal = calendar({});
    const from = new Date('2026-11-20T00:00:00Z');
    addBusinessTime(cal, from, 7_000 * HOUR);
    const started = performance.now();
    for (let i = 0; i < 20; i++) addBusinessTime(cal, from, 7_000 * HOUR);
    expect((performance.now() - started) / 20).toBeLessThan(250);
  });
});

describe('what a calendar must be', () => {
  const problems = (given: object): string[] => {
    const parsed = BusinessCalendarInput.safeParse({
      name: 'Office',
      time_zone: 'Europe/Berlin',
      hours: { monday: office },
      ...given,
    });
    return (parsed.error?.issues ?? []).map((i) => `${i.path.join('.')}: ${i.message}`);
  };

  test('a plain one passes, with no holidays by default', () => {
    expect(problems({})).toEqual([]);
    expect(calendar({}).holidays).toEqual([]);
  });

  test.each(['Berlin', 'Mars/Olympus', '+02:00', ''])('zone %j is refused', (time_zone) => {
    expect(problems({ time_zone })).toEqual([
      `time_zone: "${time_zone}" is no IANA time zone; write one such as "Europe/Berlin" or "UTC"`,
    ]);
  });

  test('no hours at all, overlap, backward windows and strange times are refused by name', () => {
    expect(problems({ hours: { monday: [] } })[0]).toMatch(/^hours: the calendar has no hours/);
    expect(
      problems({
        hours: {
          monday: [
            ['13:00', '17:00'],
            ['09:00', '13:30'],
          ],
        },
      })[0],
    ).toMatch(/^hours.monday.0: 13:00–17:00 overlaps 09:00–13:30/);
    expect(problems({ hours: { monday: [['22:00', '06:00']] } })[0]).toMatch(
      /^hours.monday.0: 22:00–06:00 ends before it begins; for a night shift/,
    );
    expect(problems({ hours: { monday: [['9:00', '24:30']] } })).toHaveLength(2);
    expect(problems({ hours: { mon: office, monday: office } })[0]).toMatch(/mon/);
  });

  test('windows may touch and may be written in any order', () => {
    const hours = {
      monday: [
        ['12:00', '24:00'],
        ['00:00', '12:00'],
      ],
    };
    expect(problems({ hours })).toEqual([]);
    const cal = BusinessCalendar.parse({ id: 'c', name: 'n', time_zone: 'UTC', hours });
    expect(after(cal, '2026-11-23T11:00:00.000Z', 2 * HOUR)).toBe('2026-11-23T13:00:00.000Z');
  });

  test('a holiday is a date that exists, once', () => {
    const name = 'x';
    expect(problems({ holidays: [{ date: '2026-02-30', name }] })[0]).toMatch(/^holidays.0.date/);
    expect(
      problems({
        holidays: [
          { date: '2026-12-25', name },
          { date: '2026-12-25', name },
        ],
      }),
    ).toEqual(['holidays.1.date: 2026-12-25 is listed twice; keep one']);
  });
});

describe('properties, near changes of the clock in eleven zones', () => {
  const CHANGES: [zone: string, at: string][] = [
    ['Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '2026-10-25T01:00:00Z'],
    ['America/New_York', '2026-03-08T07:00:00Z'],
    ['America/New_York', '2026-11-01T06:00:00Z'],
    ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
    ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
    ['Africa/Cairo', '2026-04-23T22:00:00Z'],
    ['America/Santiago', '2026-09-06T04:00:00Z'],
    ['Asia/Kathmandu', '2026-01-01T00:00:00Z'],
    ['Pacific/Chatham', '2026-09-26T14:00:00Z'],
    ['Pacific/Kiritimati', '1994-12-31T10:00:00Z'],
    ['Pacific/Apia', '2011-12-30T10:00:00Z'],
    ['America/St_Johns', '2006-10-29T02:31:00Z'],
  ];
  const clockTime = (minute: number): string =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  const dayOfHours = fc
    .uniqueArray(fc.integer({ min: 0, max: 96 }), { maxLength: 6 })
    .map((quarters) => {
      const times = quarters.sort((a, b) => a - b).map((q) => clockTime(q * 15));
      const windows: [string, string][] = [];
      for (let i = 0; i + 1 < times.length; i += 2) windows.push([times[i]!, times[i + 1]!]);
      return windows;
    });
  const week = fc
    .record({
      monday: dayOfHours,
      tuesday: dayOfHours,
      wednesday: dayOfHours,
      thursday: dayOfHours,
      friday: dayOfHours,
      saturday: dayOfHours,
      sunday: dayOfHours,
    })
    .filter((hours) => Object.values(hours).some((day) => day.length > 0));
  const scene = fc
    .record({
      change: fc.constantFrom(...CHANGES),
      hours: week,
      holiday: fc.option(fc.integer({ min: -1, max: 1 })),
    })
    .map(({ change: [time_zone, at], hours, holiday }) => {
      const date = (days: number): string =>
        new Date(Date.parse(at) + days * 24 * HOUR).toISOString().slice(0, 10);
      const holidays = holiday === null ? [] : [{ date: date(holiday), name: 'Holiday' }];
      return { cal: calendar({ time_zone, hours, holidays }), at: Date.parse(at) };
    });
  const minutes = fc.integer({ min: -2 * 1440, max: 2 * 1440 });

  test('business time equals a count of minutes by the wall clock', () => {
    fc.assert(
      fc.property(scene, minutes, minutes, ({ cal, at }, m, n) => {
        const from = at + Math.min(m, n) * MINUTE;
        const until = at + Math.max(m, n) * MINUTE;
        const counted = wallClockMinutes(cal, from, until).filter(Boolean).length;
        expect(businessTimeBetween(cal, new Date(from), new Date(until))).toBe(counted * MINUTE);
      }),
      { seed: 20261121, numRuns: 150 },
    );
  }, 240_000);

  test('adding and measuring are inverse, and the answer is the earliest instant', () => {
    const ms = fc.integer({ min: 1, max: 60 * HOUR });
    const offset = fc.integer({ min: -2 * 24 * HOUR, max: 2 * 24 * HOUR });
    fc.assert(
      fc.property(scene, offset, ms, ({ cal, at }, shift, ms) => {
        const from = new Date(at + shift);
        const then = addBusinessTime(cal, from, ms);
        expect(businessTimeBetween(cal, from, then)).toBe(ms);
        expect(businessTimeBetween(cal, from, new Date(then.getTime() - 1))).toBe(ms - 1);
      }),
      { seed: 20261121, numRuns: 1_000 },
    );
  }, 240_000);

  test('a stretch is the sum of its parts', () => {
    fc.assert(
      fc.property(scene, minutes, minutes, minutes, ({ cal, at }, ...offsets) => {
        const [a, b, c] = offsets.sort((x, y) => x - y).map((m) => new Date(at + m * MINUTE + 7));
        expect(businessTimeBetween(cal, a!, b!) + businessTimeBetween(cal, b!, c!)).toBe(
          businessTimeBetween(cal, a!, c!),
        );
      }),
      { seed: 20261121, numRuns: 1_000 },
    );
  }, 240_000);
});
