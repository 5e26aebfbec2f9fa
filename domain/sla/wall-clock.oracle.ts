import type { BusinessCalendar } from './calendar.ts';

const MINUTE_MS = 60_000;

/**
 * For each minute from `from` to `until`: does the wall clock show an open time at its beginning?
 * For tests: slow, and by another way than `calendar.ts`, asking Intl for every minute's date.
 */
export function wallClockMinutes(
  calendar: BusinessCalendar | null,
  from: number,
  until: number,
): boolean[] {
  const minutes: boolean[] = [];
  const wallClock = calendar && wallClockOf(calendar.time_zone);
  for (let at = from; at < until; at += MINUTE_MS) {
    minutes.push(!calendar || !wallClock || isOpen(calendar, wallClock(at)));
  }
  return minutes;
}

interface WallClock {
  weekday: string;
  date: string;
  time: string;
}

function wallClockOf(timeZone: string): (at: number) => WallClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'long',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  return (at) => {
    const part = Object.fromEntries(format.formatToParts(at).map((p) => [p.type, p.value]));
    return {
      weekday: part['weekday']!.toLowerCase(),
      date: `${part['year']}-${part['month']}-${part['day']}`,
      time: `${part['hour']}:${part['minute']}`,
    };
  };
}

function isOpen(
  { hours, holidays }: BusinessCalendar,
  { weekday, date, time }: WallClock,
): boolean {
  if (holidays.some((holiday) => holiday.date === date)) return false;
  const windows = Object.entries(hours).find(([day]) => day === weekday)?.[1] ?? [];
  return windows.some(([opens, closes]) => opens <= time && time < closes);
}
