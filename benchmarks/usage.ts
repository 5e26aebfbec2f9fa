import { readdirSync, readFileSync } from 'node:fs';

export type Part = 'product' | 'postgres' | 'temporal' | 'dovecot';
export type Cpu = Readonly<Record<Part, number>>;

/** Linux counts CPU time in hundredths of a second for every program (`getconf CLK_TCK`). */
const MS_PER_TICK = 10;

/** Milliseconds of CPU that each part of the installation has used so far, its ended children included. */
export function cpuOf(productPids: readonly number[]): Cpu {
  const used = { product: 0, postgres: 0, temporal: 0, dovecot: 0 };
  const processes = everyProcess();
  const ours = descendants(processes, process.pid);
  for (const found of ours) {
    const part = partOf(found, productPids);
    if (part) used[part] += found.ticks * MS_PER_TICK;
  }
  return used;
}

export function cpuBetween(before: Cpu, after: Cpu): Cpu {
  return {
    product: after.product - before.product,
    postgres: after.postgres - before.postgres,
    temporal: after.temporal - before.temporal,
    dovecot: after.dovecot - before.dovecot,
  };
}

/** Of the installation itself: the mail server belongs to somebody else. */
export function withoutDovecot(cpu: Cpu): number {
  return cpu.product + cpu.postgres + cpu.temporal;
}

/** Megabytes that a process holds in memory now, and the most it ever held. */
export function memoryOf(pid: number): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  return { now: read('VmRSS'), most: read('VmHWM') };
}

/** The first process of this name among what this one started. */
export function pidOf(command: string): number | undefined {
  return descendants(everyProcess(), process.pid).find((found) => found.command === command)?.pid;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** Its own and its ended children's, in user and in system mode. */
  readonly ticks: number;
}

function everyProcess(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
}

/** proc(5): `pid (comm) state ppid …`, CPU in fields 14 to 17. */
function readProcess(pid: number): Process | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null; // ended meanwhile
  }
  const nameEnds = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnds + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, place) => sum + Number(fields[place]), 0);
  const command = stat.slice(stat.indexOf('(') + 1, nameEnds);
  return { pid, parent: Number(fields[1]), command, ticks };
}

function descendants(processes: readonly Process[], root: number): Process[] {
  const children = Map.groupBy(processes, (found) => found.parent);
  const below = (pid: number): Process[] =>
    (children.get(pid) ?? []).flatMap((child) => [child, ...below(child.pid)]);
  return below(root);
}

const DOVECOT = /^(dovecot|imap|imap-login|anvil|log|config|auth|stats|imap-hibernate)$/;

function partOf({ pid, command }: Process, productPids: readonly number[]): Part | null {
  if (productPids.includes(pid)) return 'product';
  if (command === 'postgres') return 'postgres';
  if (command === 'temporal') return 'temporal';
  return DOVECOT.test(command) ? 'dovecot' : null;
}
