import type { FaultKind, Simulator, Violation } from '../../../../simulators/contract.ts';
import type { Prerequisite } from '../../../harness/missing.ts';

/** A provider's outside that fails, from the vendor's side. */
export interface FaultWorld {
  readonly settings: object;
  /** Whether it calls a door of ours. */
  readonly hasDoor: boolean;
  /** From now on, that share of all calls in either direction fails; 0 ends it. */
  fail(rate: number): void;
  /** Whether it tells a door of ours that there is mail, which is then read by its API. */
  readonly hasPushes?: boolean;
  /** Where the vendor calls the channel. */
  connect(doorUrl: string): Promise<void>;
  /** A mail reaches the vendor's side; resolves when it is there, or at our door. */
  deliver(raw: Buffer): Promise<void>;
  /** SHA-256 of files that lie at the vendor's and are fetched from there. */
  readonly files?: ReadonlySet<string>;
  /** How many calls went wrong so far. */
  readonly failed: () => number;
  readonly violations: readonly Violation[];
  close(): Promise<void>;
}

export interface Failing {
  readonly needs?: Prerequisite;
  readonly open: () => Promise<FaultWorld>;
}

/** Every kind that an API call can meet. */
export const KINDS: readonly FaultKind[] = [
  'too_many',
  'unavailable',
  'server_error',
  'lost_answer',
  'reset',
  'hang',
  'token_expired',
  'token_revoked',
];

export function failSome({ faults }: Simulator, rate: number): void {
  faults.clear();
  if (rate > 0) faults.failSome(rate, KINDS, 42);
}

/** Calls that got no answer, or a bad one. */
export const answeredBadly = ({ requests }: Pick<Simulator, 'requests'>): number =>
  requests.filter(({ status }) => status === 0 || status >= 400).length;

/**
 * A mailbox that is read by the vendor's API.
 * @param subscribe has the vendor's pushes go to a door, where the product does not ask for that itself
 */
export function mailApi(
  simulator: Simulator,
  settings: object,
  deliver: (raw: Buffer) => void,
  subscribe: (doorUrl: string) => void = () => {},
): FaultWorld {
  return {
    settings: { ...settings, import_since: '2020-01-01', batch_size: 10, timeout_seconds: 2 },
    hasDoor: false,
    hasPushes: true,
    fail: (rate) => failSome(simulator, rate),
    connect: (doorUrl) => Promise.resolve(subscribe(doorUrl)),
    deliver: (raw) => Promise.resolve(deliver(raw)),
    failed: () => answeredBadly(simulator),
    violations: simulator.violations,
    close: () => simulator.close(),
  };
}
