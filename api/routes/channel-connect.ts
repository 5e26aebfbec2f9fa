import { z } from 'zod';
import { connectLink } from '../oauth/connect.ts';
import type { ChannelId } from '../../domain/ids.ts';
import { providerNamed } from '../channels/provider.ts';
import { conflict } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { channelOr404 } from './channels.ts';

const ConnectLink = z
  .object({
    authorize_url: z.string().meta({
      description:
        'To be opened in a browser by whoever may give the consent; it leads to the vendor’s page.',
    }),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'ConnectLink' });

export const channelConnectRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/channels/{id}/connect',
    summary: 'Make a link that connects a channel’s account',
    description:
      'The link works once, for a quarter of an hour. After the consent the channel starts, and goes on where it was.',
    tags: ['Channels'],
    scope: 'channels:admin',
    params: z.object({ id: z.string() }),
    response: ConnectLink,
    handler: async ({ deps, tenantId, params }) => {
      const row = await channelOr404(deps, tenantId, params.id);
      const { manifest, consent } = providerNamed(row.provider);
      if (!consent)
        throw conflict(
          'nothing_to_connect',
          `${manifest.title} has no consent page; write its credentials into the channel's settings.`,
        );
      const link = await connectLink(deps, {
        tenantId,
        id: row.id as ChannelId,
        provider: manifest.name,
      });
      return { authorize_url: link.url, expires_at: link.expiresAt.toISOString() };
    },
  }),
];
