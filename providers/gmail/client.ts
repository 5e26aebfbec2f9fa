import { setTimeout as sleep } from 'node:timers/promises';
import { gmail, type gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js';
import { ProviderFailure } from '../../domain/failure.ts';
import type { GmailCall } from './call.ts';
import { gmailFailure } from './failure.ts';
import { QuotaBudget } from './quota.ts';
import { accessToken, isRenewable, rememberedTokens } from './tokens.ts';
import { AnswerTooLarge, fetchFor, ownErrorWithin } from './transport.ts';

export type { gmail_v1 };

/** Gmail has no stated limit of requests at once, and answers "too many concurrent requests" beyond some ten. */
export const MOST_AT_ONCE = 8;
const TRIES = 5;
const FIRST_PAUSE_MS = 250;
/** A longer wait is left to the caller's own retries. */
const LONGEST_PAUSE_MS = 5_000;

/** Given to each method of the API: who asks. */
interface AskOptions {
  readonly headers: Readonly<Record<string, string>>;
}

interface Answer<T> {
  readonly status: number;
  readonly data: T;
  /** Plain, as the library hands them on. */
  readonly headers: Readonly<Record<string, unknown>>;
}

/** Runs one request that costs so many quota units. @throws ProviderFailure, AnswerTooLarge */
export type Ask = <T>(units: number, work: Work<T>, way?: Way) => Promise<T>;

type Work<T> = (api: gmail_v1.Gmail, options: AskOptions) => Promise<Answer<T>>;

/**
 * `gated`: within what all processes together may ask of the account, as every sync and send begins. `free`: one of
 * the many reads that follow, by the one process that reads the account.
 */
type Way = 'gated' | 'free';

/**
 * The Gmail API for one account, for what may be asked twice: passing faults are tried again at once, a refused
 * access token is replaced, and the account's limits and quota are kept.
 */
export function gmailApi(given: GmailCall): Ask {
  const call = { ...given, tokens: rememberedTokens(given.tokens) };
  const api = apiFor(call);
  const budget = new QuotaBudget();
  return async (units, work, way) => {
    for (let tries = 1; ; tries++) {
      try {
        await budget.spend(units, call.signal);
        return await askOnce(call, api, work, way);
      } catch (error) {
        const pauseMs = pauseBefore(error, tries);
        if (pauseMs === null) throw error;
        await sleep(pauseMs, undefined, { signal: call.signal });
      }
    }
  };
}

/** Google's own library, over the guarded network; it neither retries nor throws for a status. */
export function apiFor(call: GmailCall): gmail_v1.Gmail {
  return gmail({
    version: 'v1',
    retry: false,
    validateStatus: () => true,
    fetchImplementation: fetchFor(call),
  });
}

/** One request. A token that Google refuses is forgotten, so that the next request has another. */
export async function askOnce<T>(
  call: GmailCall,
  api: gmail_v1.Gmail,
  work: Work<T>,
  way: Way = 'gated',
): Promise<T> {
  call.signal.throwIfAborted();
  const token = await accessToken(call);
  const asking = async () => {
    try {
      return await work(api, { headers: { authorization: `Bearer ${token}` } });
    } catch (error) {
      throw ownErrorWithin(error) ?? error;
    }
  };
  const answer = await (way === 'free' ? asking() : call.limits.slot(MOST_AT_ONCE, asking));
  if (answer.status < 300) return answer.data;
  const retryAfter = answer.headers['retry-after'];
  const failure = gmailFailure({
    status: answer.status,
    body: answer.data,
    retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
  });
  if (failure.code === 'gmail.token_refused') throw await refused(call, token, failure);
  if (failure.class === 'wait')
    await call.limits.pause(new Date(Date.now() + failure.retryAfterMs!));
  throw failure;
}

/** A token that can be renewed is no reason to ask a person: whether the consent stands, the token endpoint says. */
async function refused(
  call: GmailCall,
  token: string,
  failure: ProviderFailure,
): Promise<ProviderFailure> {
  await call.tokens.refuse(token);
  if (isRenewable(call, token))
    return new ProviderFailure({
      code: failure.code,
      class: 'retry',
      message: failure.message,
      status: failure.status,
    });
  return new ProviderFailure({
    code: 'gmail.token_expired',
    class: 'reauthenticate',
    message:
      'The access token has expired, and there is no refresh token to renew it: connect the account by the Connect link, or set a new one.',
    status: failure.status,
  });
}

/** Milliseconds until the next try; null where there is none. Full jitter, so that parallel requests spread. */
function pauseBefore(error: unknown, tries: number): number | null {
  if (error instanceof AnswerTooLarge || !(error instanceof ProviderFailure)) return null;
  if (tries >= TRIES) return null;
  if (error.class === 'wait')
    return error.retryAfterMs! <= LONGEST_PAUSE_MS ? error.retryAfterMs! : null;
  if (error.class !== 'retry') return null;
  if ((error.retryAfterMs ?? 0) > LONGEST_PAUSE_MS) return null;
  return (error.retryAfterMs ?? 0) + Math.random() * FIRST_PAUSE_MS * 2 ** (tries - 1);
}
