import { ProviderFailure } from '../../domain/failure.ts';
import type { GmailCall } from './call.ts';
import { gmailApi, type Ask, type gmail_v1 } from './client.ts';
import { labelFilter } from './labels.ts';
import { isWatching } from './manifest.ts';
import { UNITS } from './quota.ts';

/**
 * Asks Gmail to publish changes to the channel's topic, or to go on with it
 * (https://developers.google.com/workspace/gmail/api/guides/push). It does so for seven days at most.
 * @returns when it ends, and what was asked for; null where the settings want no pushes. @throws ProviderFailure
 */
export async function renew(call: GmailCall): Promise<{ expiresAt: Date; state: unknown } | null> {
  if (!isWatching(call.settings)) return null;
  const ask = gmailApi(call);
  const { ids } = await labelFilter(call, ask);
  const topicName = call.settings.pubsub_topic!;
  const answer = await watch(ask, {
    topicName,
    ...(ids.length > 0 && { labelIds: [...ids], labelFilterBehavior: 'include' }),
  });
  const expiresAt = new Date(Number(answer.expiration));
  return { expiresAt, state: { topic: topicName, labels: ids, history_id: answer.historyId } };
}

async function watch(ask: Ask, requestBody: gmail_v1.Schema$WatchRequest) {
  const start = () =>
    ask(UNITS.watch, (api, options) => api.users.watch({ userId: 'me', requestBody }, options));
  try {
    return await start();
  } catch (error) {
    // An app has one topic per account: the last one has to end before another begins.
    if (!(error instanceof ProviderFailure) || !/\/stop\b/.test(error.message)) throw error;
    await stop(ask);
    return start();
  }
}

async function stop(ask: Ask): Promise<void> {
  await ask(UNITS.stop, (api, options) => api.users.stop({ userId: 'me' }, options));
}

/** Ends the pushes. Without a valid consent nothing can be ended, and Gmail ends them by itself. @throws ProviderFailure */
export async function release(call: GmailCall): Promise<void> {
  if (call.watch == null && !isWatching(call.settings)) return;
  try {
    await stop(gmailApi(call));
  } catch (error) {
    if (!(error instanceof ProviderFailure) || error.class !== 'reauthenticate') throw error;
    call.log.info('the watch of a Gmail account without consent is left to end by itself');
  }
}
