import { z } from 'zod';
import { storedChannelCall } from '../../db/channel-call.ts';
import { noticingRefusals } from '../../db/noticing-refusals.ts';
import { openChannel } from '../../db/queries/channels.ts';
import { listTemplates, storeTemplates } from '../../db/queries/message-templates.ts';
import { ProviderFailure } from '../../domain/failure.ts';
import type { TenantId } from '../../domain/ids.ts';
import { placeOf, type MessageTemplate } from '../../domain/message-template.ts';
import { allTemplates } from '../../providers/chat-templates.ts';
import { providerNamed } from '../channels/provider.ts';
import type { ApiDeps } from '../deps.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { conflict, Problem } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { channelOr404 } from './channels.ts';

const SYNC_WITHIN_MS = 30_000;

const tags = ['Channels'];
const params = z.object({ id: z.string() });

const Template = z
  .object({
    name: z.string(),
    language: z.string().meta({ examples: ['en_US'] }),
    status: z.enum(['approved', 'pending', 'rejected', 'paused', 'disabled']).meta({
      description: 'Only an approved one may be sent.',
    }),
    reason: z.string().nullable().meta({ description: 'Why it may not be, as the vendor says.' }),
    category: z
      .string()
      .nullable()
      .meta({ examples: ['UTILITY'] }),
    header: z.string().nullable(),
    body: z.string(),
    footer: z.string().nullable(),
    parameters: z.array(
      z.object({
        place: z.string().meta({
          description: 'Its key in an answer’s `values`.',
          examples: ['body.1', 'header.1', 'button.0.1'],
        }),
        kind: z.enum(['text', 'image', 'video', 'document', 'payload']).meta({
          description: 'Of image, video and document the value is an attachment’s id.',
        }),
        example: z.string().nullable(),
      }),
    ),
    synced_at: z.iso.datetime().meta({ description: 'When it was read from the account.' }),
  })
  .meta({ id: 'MessageTemplate' });

export const channelTemplateRoutes: readonly AnyRoute[] = [
  route({
    method: 'get',
    path: '/v1/channels/{id}/templates',
    summary: 'List a chat channel’s templates, by name and language',
    description: 'As they were last read from the account; that happens by itself once a day.',
    tags,
    scope: 'channels:read',
    params,
    query: z.object(pageQuery),
    response: pageOf(Template),
    handler: async ({ deps, tenantId, params, query: { limit, cursor } }) => {
      const channel = await chatChannel(deps, tenantId, params.id);
      const rows = await listTemplates(deps.db, channel.facts, {
        after: readCursor(cursor, z.tuple([z.string(), z.string()])),
        limit: limit + 1,
      });
      return page(rows, limit, show, ({ name, language }) => [name, language]);
    },
  }),
  route({
    method: 'post',
    path: '/v1/channels/{id}/templates:sync',
    summary: 'Read a chat channel’s templates from its account now',
    description: 'Takes at most 30 s; answers how many there are.',
    tags,
    scope: 'channels:admin',
    params,
    status: 200,
    response: z
      .object({
        templates: z.int(),
        approved: z.int(),
        synced_at: z.iso.datetime(),
      })
      .meta({ id: 'SyncedTemplates' }),
    handler: async ({ deps, tenantId, params }) => {
      const channel = await chatChannel(deps, tenantId, params.id);
      const all = await readNow(deps, channel);
      const now = new Date();
      await storeTemplates(deps.db, channel.facts, all, now);
      return {
        templates: all.length,
        approved: all.filter(({ status }) => status === 'approved').length,
        synced_at: now.toISOString(),
      };
    },
  }),
];

/** @throws Problem 404, or 409 where its vendor knows no templates */
async function chatChannel(deps: ApiDeps, tenantId: TenantId, id: string) {
  const channel = openChannel(await channelOr404(deps, tenantId, id), deps.keys);
  const { chat, manifest } = providerNamed(channel.provider);
  if (chat?.templates) return channel;
  throw conflict('no_templates', `${manifest.title} has no templates.`);
}

async function readNow(
  deps: ApiDeps,
  channel: Awaited<ReturnType<typeof chatChannel>>,
): Promise<MessageTemplate[]> {
  const provider = providerNamed(channel.provider);
  const signal = AbortSignal.timeout(SYNC_WITHIN_MS);
  try {
    return await noticingRefusals(deps, channel, 'templates', async () => {
      const call = await storedChannelCall(deps, provider, channel, { signal });
      return allTemplates(provider.chat!, call);
    });
  } catch (error) {
    if (!(error instanceof ProviderFailure) && !signal.aborted) throw error;
    const why =
      error instanceof ProviderFailure ? error.message : 'The vendor did not answer in time.';
    throw new Problem(502, 'vendor_refused', `The templates could not be read: ${why}`);
  }
}

function show(stored: MessageTemplate & { synced_at: Date }) {
  const { parameters, synced_at: at, hasButtons: _, ...template } = stored;
  return {
    ...template,
    parameters: parameters.map((parameter) => ({
      place: placeOf(parameter),
      kind: parameter.kind,
      example: parameter.example,
    })),
    synced_at: at.toISOString(),
  };
}
