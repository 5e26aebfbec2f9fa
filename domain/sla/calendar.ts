import { z } from 'zod';
import { isNamedZone, offsetSpans } from './zone-offsets.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const SEARCH_LIMIT_MS = 5 * 366 * DAY_MS;

/** In the order of `Date.prototype.getUTCDay`. */
const WEEKDAYS = [
  'sunday',
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
] as const;
type Weekday = (typeof WEEKDAYS)[number];

const timeZone = z.string().refine(isNamedZone, {
  error: (issue) =>
    `"${String(issue.input)}" is no IANA time zone; write one such as "Europe/Berlin" or "UTC"`,
});

const OPENING_TIME = /^([01]\d|2[0-3]):[0-5]\d$/;
const CLOSING_TIME = /^(([01]\d|2[0-3]):[0-5]\d|24:00)$/;

const openingTime = z.string().regex(OPENING_TIME, {
  error: 'the opening time is HH:MM, from 00:00 to 23:59',
});
const closingTime = z.string().regex(CLOSING_TIME, {
  error: 'the closing time is HH:MM, up to 24:00',
});
const dayHours = z
  .array(z.tuple([openingTime, closingTime]))
  .max(48)
  .superRefine(checkDay)
  .optional();

const hours = z
  .strictObject({
    monday: dayHours,
    tuesday: dayHours,
    wednesday: dayHours,
    thursday: dayHours,
    friday: dayHours,
    saturday: dayHours,
    sunday: dayHours,
  })
  .refine((week) => Object.values(week).some((day) => day && day.length > 0), {
    error:
      'the calendar has no hours at all; open at least one day, or use no calendar for round the clock',
  });

const holidays = z
  .array(z.strictObject({ date: z.iso.date(), name: z.string().trim().min(1).max(200) }))
  .max(2_000)
  .superRefine(checkHolidays);

const shape = {
  name: z.string().trim().min(1).max(200),
  time_zone: timeZone,
  hours,
  holidays: holidays.default([]),
};

/** What a caller writes to make or replace a calendar. */
export const BusinessCalendarInput = z.strictObject(shape).meta({ id: 'BusinessCalendarInput' });
export type BusinessCalendarInput = z.infer<typeof BusinessCalendarInput>;

/**
 * The hours in which SLA time counts, by the wall clock of `time_zone`.
 * A day may be split; a night shift is written as two windows, up to "24:00" and from "00:00" of
 * the next day. Holidays close whole days. Where no calendar is given, time counts round the clock.
 */
export const BusinessCalendar = z
  .strictObject({ id: z.string().min(1), ...shape })
  .meta({ id: 'BusinessCalendar' });
export type BusinessCalendar = z.infer<typeof BusinessCalendar>;

/** No business time can be found, or the time asked for makes no sense. */
export class CalendarError extends Error {
  override readonly name = 'CalendarError';
}

/**
 * The earliest instant at which `ms` milliseconds of business time have passed since `from`.
 * An instant counts as open when its wall time is: an hour that daylight saving skips counts
 * nothing, an hour that it repeats counts twice. With `ms` 0 the answer is `from` itself.
 * Throws CalendarError for a negative `ms`, or when the answer lies more than five years ahead.
 */
export function addBusinessTime(calendar: BusinessCalendar | null, from: Date, ms: number): Date {
  const start = instant(from);
  if (!(Number.isFinite(ms) && ms >= 0)) {
    throw new CalendarError(`business time to add must be 0 ms or more, got ${ms}`);
  }
  if (calendar === null) return new Date(start + ms);
  if (ms === 0) return new Date(start);
  let left = ms;
  for (const [opens, closes] of openTimes(calendar, start, start + SEARCH_LIMIT_MS)) {
    if (left <= closes - opens) return new Date(opens + left);
    left -= closes - opens;
  }
  throw new CalendarError(
    `calendar "${calendar.name}" holds less than ${ms} ms of business time in the five years ` +
      `after ${from.toISOString()}; shorten the target or open more hours`,
  );
}

/** Business milliseconds from `a` to `b`, exact over daylight saving; 0 when `b` is not after `a`. */
export function businessTimeBetween(calendar: BusinessCalendar | null, a: Date, b: Date): number {
  const start = instant(a);
  const end = instant(b);
  if (calendar === null) return Math.max(0, end - start);
  let sum = 0;
  for (const [opens, closes] of openTimes(calendar, start, end)) sum += closes - opens;
  return sum;
}

/** The open stretches [start, end) between two instants, in order, in epoch milliseconds. */
function* openTimes(
  calendar: BusinessCalendar,
  from: number,
  until: number,
): Generator<[start: number, end: number]> {
  const { windows, closedDays } = timetable(calendar);
  for (const span of offsetSpans(calendar.time_zone, from, until)) {
    const firstDay = Math.floor((span.start + span.offset) / DAY_MS);
    for (let day = firstDay; day * DAY_MS - span.offset < span.end; day++) {
      if (closedDays.has(day)) continue;
      const midnight = day * DAY_MS - span.offset;
      for (const [opens, closes] of windows[weekdayOf(day)]!) {
        const start = Math.max(midnight + opens, span.start);
        const end = Math.min(midnight + closes, span.end);
        if (start < end) yield [start, end];
      }
    }
  }
}

interface Timetable {
  /** Per weekday (0 = Sunday) the windows in order, in milliseconds after midnight. */
  windows: [opens: number, closes: number][][];
  /** Holidays as days since 1970-01-01. */
  closedDays: Set<number>;
}

const timetables = new WeakMap<BusinessCalendar, Timetable>();

function timetable(calendar: BusinessCalendar): Timetable {
  const known = timetables.get(calendar);
  if (known) return known;
  const made = {
    windows: WEEKDAYS.map((day) => windowsOf(calendar.hours[day] ?? [])),
    closedDays: new Set(calendar.holidays.map(({ date }) => Date.parse(date) / DAY_MS)),
  };
  timetables.set(calendar, made);
  return made;
}

function windowsOf(day: NonNullable<BusinessCalendar['hours'][Weekday]>): [number, number][] {
  return day
    .map(([opens, closes]): [number, number] => [timeOfDay(opens), timeOfDay(closes)])
    .sort((a, b) => a[0] - b[0]);
}

function timeOfDay(text: string): number {
  const [hour, minute] = text.split(':');
  return (Number(hour) * 60 + Number(minute)) * MINUTE_MS;
}

/** 1970-01-01 was a Thursday. */
function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

function instant(date: Date): number {
  const at = date.getTime();
  if (Number.isNaN(at)) throw new CalendarError('an invalid date was given to a business calendar');
  return at;
}

function checkDay(day: [string, string][], context: z.RefinementCtx): void {
  const windows = day
    .map(([opens, closes], index) => ({ opens, closes, index }))
    .filter(({ opens, closes }) => OPENING_TIME.test(opens) && CLOSING_TIME.test(closes))
    .sort((a, b) => a.opens.localeCompare(b.opens));
  for (const [place, { opens, closes, index }] of windows.entries()) {
    if (opens >= closes) {
      context.addIssue({
        code: 'custom',
        path: [index],
        message: `${opens}–${closes} ends before it begins; for a night shift end the day at 24:00 and begin the next at 00:00`,
      });
    }
    const before = windows[place - 1];
    if (before && before.closes > opens) {
      context.addIssue({
        code: 'custom',
        path: [index],
        message: `${opens}–${closes} overlaps ${before.opens}–${before.closes}; join them or move one`,
      });
    }
  }
}

function checkHolidays(list: { date: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, { date }] of list.entries()) {
    if (seen.has(date)) {
      context.addIssue({
        code: 'custom',
        path: [index, 'date'],
        message: `${date} is listed twice; keep one`,
      });
    }
    seen.add(date);
  }
}
