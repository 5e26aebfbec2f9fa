/**
 * How a provider's error is to be met, decided once, where the provider's answer is read:
 * `retry` (passing fault), `wait` (told to come back later), `reauthenticate` (credentials refused),
 * `give_up` (the request itself is wrong).
 */
export type FailureClass = 'retry' | 'wait' | 'reauthenticate' | 'give_up';

export interface FailureDetails {
  /** Stable, machine-readable: `imap.login_refused`, `smtp.recipient_refused`. */
  readonly code: string;
  readonly class: FailureClass;
  /** Plain words for ops and admins: what, where, how to mend it. Never holds an address, body or secret. */
  readonly message: string;
  /** How long to wait, in milliseconds, where the provider said so. */
  readonly retryAfterMs?: number;
  /** The server's own status where it has one (HTTP or SMTP). */
  readonly status?: number;
  /** True where the effect may have happened although no answer came back. */
  readonly uncertain?: boolean;
}

/** A provider's error, classified. Thrown by `providers/`, turned into an ApplicationFailure by `activities/`. */
export class ProviderFailure extends Error implements FailureDetails {
  readonly code: string;
  readonly class: FailureClass;
  readonly retryAfterMs?: number;
  readonly status?: number;
  readonly uncertain?: boolean;

  constructor(details: FailureDetails, options?: { cause?: unknown }) {
    super(details.message, options);
    this.name = 'ProviderFailure';
    this.code = details.code;
    this.class = details.class;
    this.retryAfterMs = details.retryAfterMs;
    this.status = details.status;
    this.uncertain = details.uncertain;
  }
}
