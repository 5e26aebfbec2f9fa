import { IANAZone } from 'luxon';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A stretch of time in which a zone keeps one offset from UTC (milliseconds, east positive). */
export interface OffsetSpan {
  start: number;
  end: number;
  offset: number;
}

/** The spans between two instants, in order, clipped to them; years once asked for are remembered. */
export function* offsetSpans(zone: string, from: number, until: number): Generator<OffsetSpan> {
  if (until <= from) return;
  const lastYear = new Date(until - 1).getUTCFullYear();
  for (let year = new Date(from).getUTCFullYear(); year <= lastYear; year++) {
    for (const { start, end, offset } of spansOfYear(zone, year)) {
      const clipped = { start: Math.max(start, from), end: Math.min(end, until), offset };
      if (clipped.start < clipped.end) yield clipped;
    }
  }
}

const yearsByZone = new Map<string, Map<number, OffsetSpan[]>>();

function spansOfYear(zone: string, year: number): OffsetSpan[] {
  const years = yearsByZone.get(zone) ?? new Map<number, OffsetSpan[]>();
  yearsByZone.set(zone, years);
  const spans = years.get(year) ?? findSpans(zone, year);
  years.set(year, spans);
  return spans;
}

/** Asks the zone once a day and halves the day where the answer changes: about a millisecond a year. */
function findSpans(zoneName: string, year: number): OffsetSpan[] {
  const zone = IANAZone.create(zoneName);
  const offsetAt = (at: number): number => Math.round(zone.offset(at) * MINUTE_MS);
  const yearEnd = Date.UTC(year + 1, 0, 1);
  const spans: OffsetSpan[] = [];
  let start = Date.UTC(year, 0, 1);
  let offset = offsetAt(start);
  for (let day = start + DAY_MS; day <= yearEnd; day += DAY_MS) {
    const next = offsetAt(day);
    if (next === offset) continue;
    const change = firstInstant(day - DAY_MS, day, (at) => offsetAt(at) !== offset);
    spans.push({ start, end: change, offset });
    start = change;
    offset = next;
  }
  spans.push({ start, end: yearEnd, offset });
  return spans;
}

/** The first instant in (before, after] for which `holds`, where it fails at `before`. */
function firstInstant(before: number, after: number, holds: (at: number) => boolean): number {
  let low = before;
  let high = after;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Offsets such as "+02:00", which Intl would take too, know no daylight saving and are refused. */
export function isNamedZone(name: string): boolean {
  return /^[A-Za-z]/.test(name) && IANAZone.isValidZone(name);
}
