import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { assertNever } from '../domain/assert-never.ts';
import type { ProviderFailure } from '../domain/failure.ts';
import { classified } from '../providers/classified.ts';

export interface FailureOptions {
  /**
   * Where refused credentials may be mended while we wait: milliseconds until the next try. Left out, they end the
   * activity, and its workflow says what an admin has to do.
   */
  readonly reauthenticateAfterMs?: number;
  /** Any failure ends the activity: its workflow decides how it goes on. */
  readonly once?: boolean;
}

/** Runs an activity's work; what a provider throws leaves it as a classified ApplicationFailure. */
export async function providerErrors<T>(
  work: () => Promise<T>,
  options?: FailureOptions,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asActivityError(error, options);
  }
}

/**
 * The one place where an error is told to Temporal: `type` is the stable code, the message plain words without
 * addresses, and how it goes on follows from its class. What is not a provider's (a lost database, a cancellation)
 * passes as it is and is retried by the activity's profile.
 */
export function asActivityError(error: unknown, options: FailureOptions = {}): unknown {
  const known = classified(error);
  return known ? asApplicationFailure(known, options) : error;
}

function asApplicationFailure(
  failure: ProviderFailure,
  { reauthenticateAfterMs, once }: FailureOptions,
): ApplicationFailure {
  const common = {
    type: failure.code,
    message: failure.message,
    details: [
      { class: failure.class, status: failure.status, uncertain: failure.uncertain ?? false },
    ],
  };
  if (once) {
    const category = ApplicationFailureCategory.BENIGN;
    return ApplicationFailure.create({ ...common, category, nonRetryable: true });
  }
  switch (failure.class) {
    case 'retry':
    case 'wait':
      return ApplicationFailure.create({
        ...common,
        category: ApplicationFailureCategory.BENIGN,
        ...(failure.retryAfterMs === undefined ? {} : { nextRetryDelay: failure.retryAfterMs }),
      });
    case 'reauthenticate':
      return reauthenticateAfterMs === undefined
        ? ApplicationFailure.create({ ...common, nonRetryable: true })
        : ApplicationFailure.create({ ...common, nextRetryDelay: reauthenticateAfterMs });
    case 'give_up':
      return ApplicationFailure.create({ ...common, nonRetryable: true });
    default:
      return assertNever(failure.class);
  }
}
