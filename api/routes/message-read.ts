import { z } from 'zod';
import { storedChannelCall } from '../../db/channel-call.ts';
import { markRead } from '../../db/mark-read.ts';
import { loadChannel } from '../../db/queries/channels.ts';
import { showMessage } from '../../db/queries/messages.ts';
import { findReadable, noteRead, type Readable } from '../../db/queries/read-marks.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import type { TenantId } from '../../domain/ids.ts';
import { Message } from '../../domain/message.ts';
import { findProvider } from '../../providers/registry.ts';
import type { ApiDeps } from '../deps.ts';
import { conflict, notFound, Problem } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';

const WITHIN_MS = 15_000;

export const messageReadRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/messages/{id}/read',
    summary: 'Mark a customer’s message as read',
    description:
      'And those before it on its ticket. Where the channel has read marks and its `mark_read` is on, the customer is shown it.',
    tags: ['Messages'],
    scope: 'tickets:write',
    params: z.object({ id: z.string().meta({ examples: ['msg_01JD0000000000000000000000'] }) }),
    status: 200,
    response: Message,
    handler: async ({ deps, tenantId, params: { id }, signal }) => {
      const message = await findReadable(deps.db, tenantId, id);
      if (!message) throw notFound('message', id);
      if (message.direction !== 'inbound')
        throw conflict('not_received', 'Only what a customer wrote can be marked as read.');
      if (!message.isRead) await mark(deps, tenantId, message, signal);
      return (await showMessage(deps.db, tenantId, id))!;
    },
  }),
];

async function mark(
  deps: ApiDeps,
  tenantId: TenantId,
  message: Readable,
  caller: AbortSignal,
): Promise<void> {
  const provider = findProvider(message.provider);
  const channel =
    provider?.chat?.markRead &&
    (await loadChannel(deps.db, deps.keys, tenantId, message.channelId));
  // A channel without such marks, or one that was deleted since: nobody is to be told.
  if (!provider || !channel) return noteRead(deps.db, tenantId, message);
  const signal = AbortSignal.any([caller, AbortSignal.timeout(WITHIN_MS)]);
  const call = await storedChannelCall(deps, provider, channel, { signal });
  try {
    await markRead(deps, provider, { channel, call }, message);
  } catch (error) {
    if (!(error instanceof ProviderFailure) && !signal.aborted) throw error;
    const why =
      error instanceof ProviderFailure ? error.message : 'The vendor did not answer in time.';
    throw new Problem(502, 'not_marked', `The customer could not be shown it. ${why}`);
  }
}
