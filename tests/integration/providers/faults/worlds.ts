import type { FaultKind, Simulator, Violation } from '../../../../simulators/contract.ts';
import { clouds, type Cloud } from '../mail-clouds/clouds.ts';
import { badLine } from './line.ts';

/** A provider's outside that fails, from the vendor's side. */
export interface FaultWorld {
  readonly settings: object;
  /** Whether it calls a door of ours. */
  readonly hasDoor: boolean;
  /** From now on, that share of all calls in either direction fails; 0 ends it. */
  fail(rate: number): void;
  /** Where the vendor calls the channel. */
  connect(doorUrl: string): Promise<void>;
  /** A mail reaches the vendor's side; resolves when it is there, or at our door. */
  deliver(raw: Buffer): Promise<void>;
  /** How many calls went wrong so far. */
  readonly failed: () => number;
  readonly violations: readonly Violation[];
  close(): Promise<void>;
}

/** Every kind that an API call can meet. */
const KINDS: readonly FaultKind[] = [
  'too_many',
  'unavailable',
  'server_error',
  'lost_answer',
  'reset',
  'hang',
  'token_expired',
];

export const worlds: Readonly<Record<string, () => Promise<FaultWorld>>> = Object.fromEntries(
  clouds.map((cloud) => [cloud.name, () => mailCloud(cloud)]),
);

/** A vendor that calls our door, over a bad line; a stored mail is fetched from an API that fails. */
async function mailCloud(cloud: Cloud): Promise<FaultWorld> {
  const { simulator, settings, doorUrl } = await cloud.start();
  let line: Awaited<ReturnType<typeof badLine>> | undefined;
  let rate = 0;
  let delivered = 0;
  return {
    settings: { ...settings, timeout_seconds: 2 },
    hasDoor: true,
    fail(share) {
      rate = share;
      failSome(simulator, share);
    },
    async connect(door) {
      line = await badLine(door, rate);
      simulator.connect(doorUrl(line.url));
    },
    async deliver(raw) {
      const mode = cloud.modes[delivered++ % cloud.modes.length]!;
      const { status, body } = await simulator.deliver(raw, { mode });
      if (status >= 300) throw new Error(`The door answered ${status} to the last: ${body}`);
    },
    failed: () =>
      answeredBadly(simulator) + Object.values(line?.happened ?? {}).reduce((sum, n) => sum + n, 0),
    violations: simulator.violations,
    async close() {
      await line?.close();
      await simulator.close();
    },
  };
}

function failSome({ faults }: Simulator, rate: number): void {
  faults.clear();
  if (rate > 0) faults.failSome(rate, KINDS, 42);
}

const answeredBadly = ({ requests }: Simulator): number =>
  requests.filter(({ status }) => status === 0 || status >= 400).length;
