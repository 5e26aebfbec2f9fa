import { getTimezonesForCountry } from 'countries-and-timezones';
import { DateTime, IANAZone } from 'luxon';
import { countryOfPhone } from './phone.ts';

const LOCAL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/;

/** By a wall clock, without an offset: `2027-03-01T09:00`. */
export function isLocalTime(written: string): boolean {
  return LOCAL.test(written) && DateTime.fromISO(written, { zone: 'utc' }).isValid;
}

export function isTimeZone(name: string): boolean {
  return IANAZone.isValidZone(name);
}

/**
 * The instant of a wall clock's time in a zone. A time that daylight saving skips is the same while later; of one that it
 * repeats, the first is meant.
 */
export function instantOf(localTime: string, timeZone: string): Date {
  const times = DateTime.fromISO(localTime, { zone: timeZone }).getPossibleOffsets();
  return new Date(Math.min(...times.map((time) => time.toMillis())));
}

/** What the wall clock shows there then, with its offset: `2027-03-01T09:00:00+01:00`. */
export function localTimeOf(instant: Date, timeZone: string): string {
  const local = DateTime.fromJSDate(instant, { zone: timeZone });
  return local.toISO({ suppressMilliseconds: true })!; // a valid zone was checked
}

/**
 * The time zone of a number's country, where all of it keeps one time; null where it has several, or the number is none.
 * @param number in E.164
 */
export function timeZoneOfNumber(number: string): string | null {
  const country = countryOfPhone(number);
  if (country === null) return null;
  const zones = getTimezonesForCountry(country) ?? [];
  const times = new Set(zones.map(({ utcOffset, dstOffset }) => `${utcOffset}/${dstOffset}`));
  return times.size === 1 ? zones[0]!.name : null;
}
