import type { FailureClass } from '../domain/failure.ts';

/** What a code means, as far as it is known. */
export interface KnownError {
  /** Ends the failure's code: `window_closed`. */
  readonly code: string;
  readonly class: FailureClass;
  /** What it means and how to mend it. */
  readonly words: string;
  /** How long it is best left alone, in milliseconds, where the vendor doesn't say. */
  readonly waitMs?: number;
  /** The wait concerns one recipient, and not the account. */
  readonly isOfOne?: boolean;
  /** What was asked for may have been done all the same. */
  readonly uncertain?: boolean;
}

export interface Told {
  readonly code: number | undefined;
  readonly subcode: number | undefined;
  readonly words: string;
}

/** Only an admin can mend it. */
export function refused(code: string, words: string): KnownError {
  return { code, class: 'reauthenticate', words };
}

/** It may work when it is asked again. */
export function passing(code: string, words: string): KnownError {
  return { code, class: 'retry', words };
}

/** Too much was asked. @param waitMs how long it is best left alone */
export function wait(code: string, words: string, waitMs: number): KnownError {
  return { code, class: 'wait', words, waitMs };
}

/** It will never be done. */
export function gone(code: string, words: string): KnownError {
  return { code, class: 'give_up', words };
}
