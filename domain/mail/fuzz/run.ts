import { parseMail } from '../parse.ts';
import { violations } from './invariants.ts';
import { mutations } from './mutations.ts';
import { SeededRandom } from './random.ts';
import { seedMails } from './seeds.ts';

export interface FuzzOptions {
  seed: number;
  seconds: number;
  /** Ends after this many mails, whatever the time. */
  mails?: number;
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
  failures: (Fuzzed & { what: string })[];
}

/** Processor time for one mail, in milliseconds: what is asked of the largest of some 12 MB. */
export const timeLimit = 3000;
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
export async function fuzz({ seed, seconds, mails }: FuzzOptions): Promise<FuzzReport> {
  const seeds = seedMails();
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
    if (milliseconds > timeLimit) found.push(`took ${Math.round(milliseconds)} ms`);
    report.failures.push(...found.map((what) => ({ ...one, what })));
    const grown = (process.memoryUsage().rss - atBeginning) / 1024 / 1024;
    report.memory = Math.max(report.memory, grown);
    if (report.failures.length >= failureLimit) break;
  }
  if (report.memory > memoryLimit)
    report.failures.push({ ...none, what: `memory grew by ${Math.round(report.memory)} MiB` });
  return report;
}

async function parseOnce(mail: Buffer): Promise<{ milliseconds: number; found: string[] }> {
  const start = process.cpuUsage();
  try {
    const parsed = await parseMail(mail, { receivedAt: new Date(0), keepContent: true });
    const used = process.cpuUsage(start);
    return { milliseconds: (used.user + used.system) / 1000, found: violations(parsed) };
  } catch (error) {
    return {
      milliseconds: 0,
      found: [`threw ${error instanceof Error ? error.stack : String(error)}`],
    };
  }
}

/** The report in plain words, with what makes each failure again. */
export function describeReport({ seed, seconds }: FuzzOptions, report: FuzzReport): string {
  const { worst, memory } = report;
  return [
    `seed ${seed}, ${seconds} s: ${report.mails} mails`,
    `slowest ${worst.milliseconds.toFixed(0)} ms (${worst.bytes} bytes, seed ${worst.seed}: ${worst.how})`,
    `memory grew by ${memory.toFixed(0)} MiB`,
    ...report.failures.map((one) => {
      return `FAILED seed ${one.seed} (${one.how}): ${one.what.slice(0, 600)}\n  again: npm run fuzz -- --seed ${one.seed} --mails 1`;
    }),
    report.failures.length === 0 ? 'nothing failed' : `${report.failures.length} failures`,
  ].join('\n');
}
