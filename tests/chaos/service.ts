import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that runs. */
export interface Launched {
  readonly pid: number;
  readonly exited: Promise<unknown>;
  /** Ends it in order. */
  stop(): Promise<unknown>;
}

const AGAIN_MS = 1_000;
const COMES_BACK_WITHIN_MS = 90_000;

/** One program of the installation, kept running as a service manager keeps it, and killed on demand. */
export class Service {
  readonly name: string;
  /** How often it ended by itself and was started again. */
  restarts = 0;
  readonly #launch: () => Promise<Launched>;
  #running: Launched | null = null;
  #wanted = false;

  constructor(name: string, launch: () => Promise<Launched>) {
    this.name = name;
    this.#launch = launch;
  }

  /** @throws what kept it from starting. */
  async start(): Promise<void> {
    this.#wanted = true;
    const deadline = Date.now() + COMES_BACK_WITHIN_MS;
    while (this.#wanted) {
      try {
        this.#watch(await this.#launch());
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(AGAIN_MS);
      }
    }
  }

  /** SIGKILL to it and to all its children; it stays away until `start`. */
  async kill(): Promise<void> {
    this.#wanted = false;
    const program = this.#running;
    this.#running = null;
    if (program === null) return;
    killTree(program.pid);
    await program.exited;
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    const program = this.#running;
    this.#running = null;
    await program?.stop();
  }

  #watch(program: Launched): void {
    this.#running = program;
    void program.exited.then(async () => {
      if (this.#running !== program) return;
      this.restarts += 1;
      await sleep(AGAIN_MS);
      if (this.#wanted && this.#running === program) await this.start();
    });
  }
}

/** A server's children may be leaders of sessions of their own, so that killing its group is not enough. */
function killTree(pid: number): void {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const children = Map.groupBy(
    table
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number)),
    ([, parent]) => parent!,
  );
  const family = [pid];
  for (const member of family)
    family.push(...(children.get(member) ?? []).map(([child]) => child!));
  for (const member of family) {
    try {
      process.kill(member, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // gone already
    }
  }
}
