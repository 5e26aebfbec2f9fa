import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import type { GmailCall } from './call.ts';
import { gmailApi, type Ask, type gmail_v1 } from './client.ts';
import { LABEL_MISSING, labelFilter } from './labels.ts';
import { GmailSettings, isWatching } from './manifest.ts';
import { UNITS } from './quota.ts';

/**
 * Asks Gmail to publish changes to the channel's topic, or to go on with it
 * (https://developers.google.com/workspace/gmail/api/guides/push). It does so for seven days at most. An account has one
 * watch per app, which each call replaces: it is told of all that the channels of this account want to hear of.
 * @returns when it ends, and what was asked for; null where the settings want no pushes. @throws ProviderFailure
 */
export async function renew(call: GmailCall): Promise<{ expiresAt: Date; state: unknown } | null> {
  if (!isWatching(call.settings)) return null;
  const ask = gmailApi(call);
  const topicName = call.settings.pubsub_topic!;
  const sharers = await watchingSharers(call);
  const labels = await labelsOfAll(call, ask, sharers.filter(isOfTopic(topicName)));
  const answer = await watch(ask, topicName, labels, sharers);
  const expiresAt = new Date(Number(answer.expiration));
  return { expiresAt, state: { topic: topicName, labels, history_id: answer.historyId } };
}

/**
 * Ends the pushes, unless other channels of this account live by them: `users.stop` ends them for the account
 * (https://developers.google.com/workspace/gmail/api/reference/rest/v1/users/stop). Without a valid consent nothing can
 * be ended, and Gmail ends them by itself. @throws ProviderFailure
 */
export async function release(call: GmailCall): Promise<void> {
  if (call.watch == null && !isWatching(call.settings)) return;
  const topicName = topicOf(call);
  const others = async () => (await watchingSharers(call)).filter(isOfTopic(topicName));
  if ((await others()).length > 0) return;
  const ask = gmailApi(call);
  try {
    await stop(ask);
    // One that began meanwhile lost its watch by that.
    const left = await others();
    const [first, ...more] = left;
    if (!first || topicName === undefined) return;
    const filters = { ...call, settings: { ...call.settings, labels: first.labels } };
    await watch(ask, topicName, await labelsOfAll(filters, ask, more), left);
  } catch (error) {
    if (!(error instanceof ProviderFailure) || error.class !== 'reauthenticate') throw error;
    call.log.info('the watch of a Gmail account without consent is left to end by itself');
  }
}

const Shared = z.object({
  watch_enabled: GmailSettings.shape.watch_enabled,
  pubsub_topic: z.string(),
  labels: GmailSettings.shape.labels,
});
type Shared = z.infer<typeof Shared>;

const isOfTopic = (topic: string | undefined) => (shared: Shared) => shared.pubsub_topic === topic;

/** Other channels of this account that want to be pushed. */
async function watchingSharers({ sharers }: GmailCall): Promise<Shared[]> {
  const all = (await sharers?.()) ?? [];
  return all.flatMap((settings) => {
    const shared = Shared.safeParse(settings).data;
    return shared && isWatching(shared) ? [shared] : [];
  });
}

/** The topic that was asked for last; the settings may have changed since. */
function topicOf({ watch: kept, settings }: GmailCall): string | undefined {
  return z.object({ topic: z.string() }).safeParse(kept).data?.topic ?? settings.pubsub_topic;
}

/** Ids of the labels that any of the channels reads; empty: any label. */
async function labelsOfAll(
  call: GmailCall,
  ask: Ask,
  sharers: readonly Shared[],
): Promise<readonly string[]> {
  const filters = [(await labelFilter(call, ask)).ids];
  for (const { labels } of sharers) {
    const of = { ...call, settings: { ...call.settings, labels } };
    const ids = await labelFilter(of, ask).then((filter) => filter.ids, unlessMissing);
    if (ids) filters.push(ids);
  }
  return filters.some((ids) => ids.length === 0) ? [] : [...new Set(filters.flat())];
}

/** A label that is no more is the trouble of the channel that names it. */
function unlessMissing(error: unknown): null {
  if (error instanceof ProviderFailure && error.code === LABEL_MISSING) return null;
  throw error;
}

async function watch(
  ask: Ask,
  topicName: string,
  labels: readonly string[],
  sharers: readonly Shared[],
): Promise<gmail_v1.Schema$WatchResponse> {
  const requestBody = {
    topicName,
    ...(labels.length > 0 && { labelIds: [...labels], labelFilterBehavior: 'include' }),
  };
  const start = () =>
    ask(UNITS.watch, (api, options) => api.users.watch({ userId: 'me', requestBody }, options));
  try {
    return await start();
  } catch (error) {
    // An app has one topic per account: the last one has to end before another begins.
    if (!(error instanceof ProviderFailure) || !/\/stop\b/.test(error.message)) throw error;
    const other = sharers.find((shared) => !isOfTopic(topicName)(shared));
    if (other) throw twoTopics(topicName, other.pubsub_topic, error);
    await stop(ask);
    return start();
  }
}

function twoTopics(wanted: string, other: string, cause: ProviderFailure): ProviderFailure {
  return new ProviderFailure({
    code: 'gmail.two_topics',
    class: 'retry',
    message:
      `Another channel of this Google account has its pushes published to ${other}, and Gmail publishes to one topic ` +
      `alone: set the same "pubsub_topic" in both, in place of ${wanted}. Until then mail is found by looking.`,
    status: cause.status,
  });
}

async function stop(ask: Ask): Promise<void> {
  await ask(UNITS.stop, (api, options) => api.users.stop({ userId: 'me' }, options));
}
