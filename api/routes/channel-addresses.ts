import { z } from 'zod';
import { storedChannelCall } from '../../db/channel-call.ts';
import { openChannel } from '../../db/queries/channels.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import { providerNamed } from '../channels/provider.ts';
import { conflict, Problem } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { channelOr404 } from './channels.ts';

const CHECK_WITHIN_MS = 15_000;

export const channelAddressRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/channels/{id}/addresses:check',
    summary: 'Ask a chat’s vendor whether somebody can be reached there',
    description: 'As far as the vendor says so; nothing is sent.',
    tags: ['Channels'],
    scope: 'channels:read',
    params: z.object({ id: z.string() }),
    body: z
      .strictObject({ address: z.string().trim().min(1).max(64) })
      .meta({ id: 'AddressToCheck', description: 'A number in E.164, or a page-scoped id.' }),
    status: 200,
    response: z
      .object({
        address: z.string(),
        reachable: z.boolean().nullable().meta({
          description: 'Null: the vendor doesn’t say before something was sent.',
        }),
      })
      .meta({ id: 'CheckedAddress' }),
    handler: async ({ deps, tenantId, params, body: { address } }) => {
      const channel = openChannel(await channelOr404(deps, tenantId, params.id), deps.keys);
      const provider = providerNamed(channel.provider);
      if (!provider.chat?.checkAddress)
        throw conflict('no_check', `${provider.manifest.title} has no such check.`);
      const signal = AbortSignal.timeout(CHECK_WITHIN_MS);
      try {
        const call = await storedChannelCall(deps, provider, channel, { signal });
        return { address, reachable: await provider.chat.checkAddress(call, address) };
      } catch (error) {
        if (!(error instanceof ProviderFailure) && !signal.aborted) throw error;
        const why =
          error instanceof ProviderFailure ? error.message : 'The vendor did not answer in time.';
        throw new Problem(502, 'vendor_refused', `It could not be asked: ${why}`);
      }
    },
  }),
];
