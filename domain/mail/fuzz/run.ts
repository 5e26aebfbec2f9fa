import { parseMail, type ParsedMail } from '../parse.ts';
import { violations } from './invariants.ts';
import { mutations } from './mutations.ts';
import { SeededRandom } from './random.ts';
import { seedMails } from './seeds.ts';

export interface FuzzOptions {
  seed: number;
  seconds: number;
  /** Ends after this many mails, whatever the time. */
  mails?: number;
  /** Alters mails of our own alone, so that a seed makes the same mail on every machine. */
  own?: boolean;
}

interface Fuzzed {
  seed: number;
  /** What was done to the mail. */
  how: string;
  bytes: number;
}

export interface FuzzReport {
  mails: number;
  /** The one that took the parser longest, in milliseconds of processor time. */
  worst: Fuzzed & { milliseconds: number };
  /** Resident memory beyond what it was at the beginning, in MiB. */
  memory: number;
  /** Each once, however many mails showed it. */
  failures: (Fuzzed & { what: string; times: number })[];
}

/**
 * Processor time for one mail, in milliseconds, at the best of three readings. The largest, 16 MB, take 1 to 2 seconds, by how
 * fast the machine happens to be; what grows worse than with a mail's size takes tens of them.
 */
export const timeLimit = 5000;
const readings = 3;
/** Resident memory beyond the beginning, in MiB. */
export const memoryLimit = 1024;
const failureLimit = 20;

/** The mail that a seed makes: one to four mutations of a seed mail. */
export function fuzzedMail(seed: number, seeds: readonly Buffer[]): { mail: Buffer; how: string } {
  const random = new SeededRandom(seed);
  const kinds = Object.keys(mutations);
  let mail = random.pick(seeds);
  const done: string[] = [];
  for (let rounds = 1 + random.below(3); rounds > 0 && mail.length < 1_000_000; rounds--) {
    const kind = random.pick(kinds);
    mail = mutations[kind]!(mail, random, random.pick(seeds));
    done.push(kind);
  }
  return { mail, how: done.join(', ') };
}

/** Parses altered mails until the time is over; each is known by its seed, which makes it again. */
export async function fuzz({ seed, seconds, mails, own }: FuzzOptions): Promise<FuzzReport> {
  const seeds = seedMails(own);
  const end = performance.now() + seconds * 1000;
  const atBeginning = process.memoryUsage().rss;
  const none = { seed, how: 'nothing', bytes: 0 };
  const report: FuzzReport = {
    mails: 0,
    worst: { ...none, milliseconds: 0 },
    memory: 0,
    failures: [],
  };
  while (performance.now() < end && report.mails < (mails ?? Number.POSITIVE_INFINITY)) {
    const { mail, how } = fuzzedMail(seed + report.mails, seeds);
    const one: Fuzzed = { seed: seed + report.mails, how, bytes: mail.length };
    report.mails++;
    const { milliseconds, found } = await parseOnce(mail);
    if (milliseconds > report.worst.milliseconds) report.worst = { ...one, milliseconds };
    for (const what of found) addFailure(report, one, what);
    const grown = (process.memoryUsage().rss - atBeginning) / 1024 / 1024;
    report.memory = Math.max(report.memory, grown);
    if (report.failures.length >= failureLimit) break;
  }
  if (report.memory > memoryLimit)
    addFailure(report, none, `memory grew by ${Math.round(report.memory)} MiB`);
  return report;
}

/** The same in other words: what a mail happens to hold stands between quotes, numbers differ. */
function kindOf(what: string): string {
  return what.replace(/"(\\.|[^"\\])*"/gs, '""').replace(/\d+/g, '0');
}

/** Adds what failed, or counts it where it failed in that way before. */
export function addFailure(report: FuzzReport, one: Fuzzed, what: string): void {
  const known = report.failures.find((failure) => kindOf(failure.what) === kindOf(what));
  if (known) known.times++;
  else report.failures.push({ ...one, what, times: 1 });
}

async function parseOnce(mail: Buffer): Promise<{ milliseconds: number; found: string[] }> {
  try {
    const { parsed, milliseconds } = await measured(mail);
    let best = milliseconds;
    for (let again = 1; again < readings && best > timeLimit; again++)
      best = Math.min(best, (await measured(mail)).milliseconds);
    const found = violations(parsed);
    if (best > timeLimit) found.push(`took ${Math.round(best)} ms`);
    return { milliseconds: best, found };
  } catch (error) {
    const thrown = error instanceof Error ? error.stack : String(error);
    return { milliseconds: 0, found: [`threw ${thrown}`] };
  }
}

async function measured(mail: Buffer): Promise<{ parsed: ParsedMail; milliseconds: number }> {
  const start = process.cpuUsage();
  const parsed = await parseMail(mail, { receivedAt: new Date(0), keepContent: true });
  const { user, system } = process.cpuUsage(start);
  return { parsed, milliseconds: (user + system) / 1000 };
}

/** The report in plain words, with what makes each failure again. */
export function describeReport({ seed, seconds, own }: FuzzOptions, report: FuzzReport): string {
  const { worst, memory } = report;
  return [
    `seed ${seed}, ${seconds} s: ${report.mails} mails`,
    `slowest ${worst.milliseconds.toFixed(0)} ms (${worst.bytes} bytes, seed ${worst.seed}: ${worst.how})`,
    `memory grew by ${memory.toFixed(0)} MiB`,
    ...report.failures.map((one) => {
      const times = one.times > 1 ? `, and ${one.times - 1} times more` : '';
      return `FAILED seed ${one.seed} (${one.how}): ${one.what.slice(0, 600)}${times}\n  again: npm run fuzz -- --seed ${one.seed} --mails 1${own ? ' --own' : ''}`;
    }),
    report.failures.length === 0 ? 'nothing failed' : `${report.failures.length} failures`,
  ].join('\n');
}
