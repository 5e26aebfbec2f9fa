import { storedChannelCall } from '../db/channel-call.ts';
import { keepTrial } from '../db/queries/channel-refusals.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import { isTrialDue, type Refusals, type Trial } from '../domain/refusal.ts';
import type { ChannelProvider } from '../providers/contract.ts';
import type { Deps } from './deps.ts';
import { withSignsOfLife } from './signs-of-life.ts';

const TRIAL_MS = 30_000;
/** Where the vendor was not reached, it refused nothing. */
const ON_THE_WAY: ReadonlySet<string> = new Set(['host', 'port', 'tls']);

/**
 * What a channel's vendor refuses. Its credentials are tried where that is due, so that a refusal ends by itself once they
 * are good again, and never because nobody asked.
 */
export async function refusalsNow(
  deps: Deps,
  channel: LoadedChannel,
  provider: ChannelProvider,
  heartbeat: () => void,
): Promise<Refusals> {
  const { refusals, version, syncRequested, syncAnswered } = channel;
  if (Object.keys(refusals).length === 0) return refusals;
  const begun = new Date();
  if (syncRequested === syncAnswered && !isTrialDue(refusals, version, begun)) return refusals;
  const trial = await withSignsOfLife(heartbeat, (signal) =>
    tried(deps, channel, provider, signal),
  );
  return keepTrial(deps.db, channel, trial, begun);
}

async function tried(
  deps: Deps,
  channel: LoadedChannel,
  provider: ChannelProvider,
  cancelled: AbortSignal,
): Promise<Trial> {
  if (!provider.validate) return 'fine';
  const signal = AbortSignal.any([cancelled, AbortSignal.timeout(TRIAL_MS)]);
  try {
    const call = await storedChannelCall(deps, provider, channel, { signal });
    const { ok, problems } = await provider.validate(call);
    if (ok) return 'fine';
    return problems.every(({ step }) => ON_THE_WAY.has(step)) ? 'unreachable' : 'refused';
  } catch (error) {
    cancelled.throwIfAborted();
    deps.log.warn({ channel: channel.facts.id, err: error }, 'a trial of credentials broke off');
    return 'unreachable';
  }
}
