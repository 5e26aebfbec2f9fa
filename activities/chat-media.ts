import { setTimeout as delay } from 'node:timers/promises';
import { storedChannelCall } from '../db/channel-call.ts';
import type { LoadedChannel } from '../db/queries/channels.ts';
import { Pending } from '../db/queries/outbox.ts';
import {
  chatWork,
  claimMedia,
  noteMissing,
  storeFile,
  type ClaimedMedia,
} from '../db/queries/pending-media.ts';
import { ProviderFailure } from '../domain/failure.ts';
import type { ChatProvider } from '../providers/chat-provider.ts';
import type { ProviderCall } from '../providers/contract.ts';
import { fetchUnlessRefused, missingAfter } from './chat-files.ts';
import type { Deps } from './deps.ts';
import { inParallel } from './in-parallel.ts';
import { withSignsOfLife } from './signs-of-life.ts';

/** Files that one sync fetches, all at once. */
const AT_ONCE = 8;
const FILE_MS = 2 * 60_000;
/** What waits for a receipt of ours, or for a message that its reaction overtook, is looked at again ever more seldom. */
const LOOK_AGAIN_SECONDS = { first: 5, most: 60 };

/**
 * Fetches files whose time has come; meanwhile `ingest` is called again and again, so that messages do not wait for
 * them. Returns in how many seconds there is something to do again, if there is.
 */
export async function fetchMissingFiles(
  deps: Deps,
  channel: LoadedChannel,
  provider: ChatProvider,
  heartbeat: () => void,
  ingest: () => Promise<void>,
): Promise<number | null> {
  const { tenantId, id } = channel.facts;
  const work = await chatWork(deps.db, tenantId, id);
  if (!work.nextFileAt || work.nextFileAt.getTime() > Date.now()) return secondsUntil(work);
  const claimed = await claimMedia(deps.db, tenantId, id, AT_ONCE);
  await withSignsOfLife(heartbeat, async (signal) => {
    const call = await storedChannelCall(deps, provider, channel, { signal });
    const fetching = inParallel(AT_ONCE, claimed, (media) =>
      fetchOne(deps, channel, provider, call, media),
    );
    const done = fetching.then(
      () => true,
      () => true,
    );
    while (!(await Promise.race([done, delay(1000, false, { ref: false })]))) await ingest();
    await fetching;
  });
  return secondsUntil(await chatWork(deps.db, tenantId, id));
}

async function fetchOne(
  deps: Deps,
  channel: LoadedChannel,
  provider: ChatProvider,
  call: ProviderCall<unknown>,
  media: ClaimedMedia,
): Promise<void> {
  const { tenantId } = call.channel;
  const pending = new Pending(tenantId);
  const { position, attempts: attempt, reference } = media;
  try {
    const given = { position, attempt, timeoutMs: FILE_MS };
    const { file, content, note } = await fetchUnlessRefused(
      deps,
      channel,
      provider,
      call,
      reference,
      given,
    );
    await storeFile(deps.db, pending, media, file, content, note);
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    await noteMissing(
      deps.db,
      pending,
      media,
      missingAfter(error, reference, { position, attempt }),
    );
  }
  await deps.relay.flush(pending);
}

function secondsUntil({
  nextFileAt,
  stagedSince,
}: Awaited<ReturnType<typeof chatWork>>): number | null {
  const now = Date.now();
  const waits = [];
  if (nextFileAt) waits.push(Math.max(1, Math.ceil((nextFileAt.getTime() - now) / 1000)));
  if (stagedSince) {
    const quarter = Math.round((now - stagedSince.getTime()) / 4000);
    const { first, most } = LOOK_AGAIN_SECONDS;
    waits.push(Math.min(most, Math.max(first, quarter)));
  }
  return waits.length === 0 ? null : Math.min(...waits);
}
