import { z } from 'zod';
import { changeChannel, deleteChannel, requestSync } from '../../db/queries/channel-changes.ts';
import {
  countSetAside,
  createChannel,
  findChannel,
  listChannels,
  type ChannelRow,
} from '../../db/queries/channels.ts';
import { waitingSends } from '../../db/queries/waiting-sends.ts';
import type { TenantId } from '../../domain/ids.ts';
import { ChannelRules } from '../../domain/rules/schema.ts';
import { findProvider, providers } from '../../providers/registry.ts';
import { rulesWarnings } from '../../providers/autoresponder.ts';
import { hashSecret, mintToken } from '../../security/api-key.ts';
import { ProviderName } from '../channels/name.ts';
import { hasDoor, isReachedByAddressAlone, providerNamed } from '../channels/provider.ts';
import { checkRules } from '../channels/rules.ts';
import {
  accountOf,
  addressesOf,
  checkSettings,
  isSoleOfAccount,
  patchedSettings,
  settingsWarnings,
  tokensToForget,
} from '../channels/settings.ts';
import {
  Channel,
  ChannelStatus,
  CreatedChannel,
  showChannel,
  showStatus,
  WrittenChannel,
} from '../channels/show.ts';
import { releaseFormerAccount } from '../channels/release.ts';
import { checkUpdateMessages, updateWarningsOf } from '../channels/update-messages.ts';
import { errorOf, tryCredentials } from '../channels/validate.ts';
import { asTaken } from '../channels/taken.ts';
import type { ApiDeps } from '../deps.ts';
import { page, pageOf, pageQuery, readCursor } from '../page.ts';
import { invalid, notFound, type Problem } from '../problem.ts';
import { answer, route, type AnyRoute } from '../route.ts';

const tags = ['Channels'];
const params = z.object({ id: z.string() });
const Name = z.string().trim().min(1).max(200);
const Address = z
  .string()
  .trim()
  .min(1)
  .max(320)
  .regex(/^[^\s<>]+$/, 'wants a bare address or number, without name or brackets');
const Settings = z.record(z.string(), z.unknown());

const NewChannel = z
  .strictObject({
    provider: ProviderName,
    name: Name,
    address: Address.nullish(),
    settings: Settings.default({}),
    rules: ChannelRules.nullish(),
    is_active: z.boolean().default(true).meta({ description: 'False keeps it `stopped`.' }),
  })
  .meta({ id: 'NewChannel' });

/** The handler checks settings by the provider's schema; here is what that comes to. */
const NewChannelByProvider = z.union(
  providers.map(({ manifest: { name, aliases = [], settings } }) =>
    NewChannel.extend({
      provider: z.enum([name, ...aliases]),
      settings: settings.safeParse({}).success ? settings.optional() : settings,
    }).meta({ id: `New${name[0]!.toUpperCase()}${name.slice(1)}Channel` }),
  ),
);

const ChangedChannel = z
  .strictObject({
    name: Name.optional(),
    address: Address.nullish(),
    settings: Settings.optional().meta({
      description: 'A JSON merge patch: what is left out stays, secrets too; null removes.',
    }),
    rules: ChannelRules.nullish().meta({ description: 'As a whole; null removes all.' }),
    is_active: z.boolean().optional().meta({
      description:
        'False stops it: its door refuses, new answers by it are refused (422 `channel_stopped`), and those already queued are kept for a day.',
    }),
  })
  .meta({ id: 'ChangedChannel' });

export const channelRoutes: readonly AnyRoute[] = [
  route({
    method: 'post',
    path: '/v1/channels',
    summary: 'Make a channel',
    description:
      'Its credentials are tried. Where that fails it is made all the same, in state `needs_attention`.',
    tags,
    scope: 'channels:admin',
    body: NewChannel,
    documentedBody: NewChannelByProvider,
    response: CreatedChannel,
    handler: async ({ deps, tenantId, body, newId }) => {
      const provider = providerNamed(body.provider);
      const id = newId('channel');
      const settings = checkSettings(provider, body.settings, id, deps.keys);
      checkUpdateMessages(settings);
      const rules = body.rules ? await checkRules(deps, tenantId, body.rules) : null;
      const { address, addresses } = addressesOf(provider, settings, body.address ?? null, rules);
      if (addresses.wanted.length === 0 && isReachedByAddressAlone(provider))
        throw addressMissing();

      const facts = { id, tenantId, name: body.name, address };
      const report = body.is_active
        ? await tryCredentials(deps, provider, { facts, settings: settings.whole, rules })
        : {
            ok: true,
            problems: [],
            warnings: [...settings.warnings, ...rulesWarnings(provider, settings.whole, rules)],
          };
      const lastError = errorOf(report);
      const token = hasDoor(provider) ? mintToken() : undefined;
      const { row, pending } = await createChannel(deps.db, tenantId, {
        ...facts,
        provider: provider.manifest.name,
        addresses,
        account: accountOf(provider, settings, address),
        isSole: isSoleOfAccount(provider),
        doorHashes: settings.doorHashes,
        settings: settings.open,
        secrets: settings.secrets,
        rules,
        ingressTokenHash: token === undefined ? null : hashSecret(token),
        desiredState: body.is_active ? 'running' : 'stopped',
        ...firstState(body.is_active, lastError),
        lastError,
      }).catch(asTaken);
      await deps.relay.flush(pending);
      return answer(
        {
          ...showChannel(deps, row),
          warnings: [...report.warnings],
          ...(token === undefined ? {} : { ingress_token: token }),
        },
        { headers: { Location: `/v1/channels/${id}` } },
      );
    },
  }),
  route({
    method: 'get',
    path: '/v1/channels',
    summary: 'List channels',
    tags,
    scope: 'channels:read',
    query: z.object({ ...pageQuery, provider: ProviderName.optional() }),
    response: pageOf(Channel),
    handler: async ({ deps, tenantId, query }) => {
      const rows = await listChannels(deps.db, tenantId, {
        after: readCursor(query.cursor, z.string()),
        limit: query.limit + 1,
        provider: query.provider,
      });
      return page(
        rows,
        query.limit,
        (row) => showChannel(deps, row),
        (row) => row.id,
      );
    },
  }),
  route({
    method: 'get',
    path: '/v1/channels/{id}',
    summary: 'Show a channel',
    tags,
    scope: 'channels:read',
    params,
    response: Channel,
    handler: async ({ deps, tenantId, params }) =>
      showChannel(deps, await channelOr404(deps, tenantId, params.id)),
  }),
  route({
    method: 'get',
    path: '/v1/channels/{id}/status',
    summary: 'Show how a channel is doing',
    tags,
    scope: 'channels:read',
    params,
    response: ChannelStatus,
    handler: async ({ deps, tenantId, params }) => {
      const row = await channelOr404(deps, tenantId, params.id);
      const provider = findProvider(row.provider);
      const settings = provider ? settingsWarnings(provider, row, deps.keys) : [];
      const [setAside, waiting, untold] = await Promise.all([
        countSetAside(deps.db, tenantId, row.id),
        waitingSends(deps.db, tenantId, row.id),
        updateWarningsOf(deps, tenantId, row),
      ]);
      return showStatus(deps, row, { setAside, waiting, warnings: [...settings, ...untold] });
    },
  }),
  route({
    method: 'patch',
    path: '/v1/channels/{id}',
    summary: 'Change a channel',
    tags,
    scope: 'channels:admin',
    params,
    body: ChangedChannel,
    response: WrittenChannel,
    handler: async ({ deps, tenantId, params, body }) => {
      let warnings: readonly string[] = [];
      const rules = body.rules ? await checkRules(deps, tenantId, body.rules) : body.rules;
      if (body.settings)
        await releaseFormerAccount(deps, tenantId, params.id, body.settings).catch(asTaken);
      const changed = await changeChannel(deps.db, tenantId, params.id, (row) => {
        const provider = providerNamed(row.provider);
        const patched = patchedSettings(row, body.settings ?? {}, deps.keys);
        const settings = checkSettings(provider, patched, row.id, deps.keys);
        if (body.settings?.['template_messages'] !== undefined) checkUpdateMessages(settings);
        warnings = [
          ...settings.warnings,
          ...rulesWarnings(provider, settings.whole, rules === undefined ? row.rules : rules),
        ];
        const written = body.address === undefined ? row.address : body.address;
        const { address, addresses } = addressesOf(
          provider,
          settings,
          written,
          rules === undefined ? (row.rules as ChannelRules | null) : rules, // checkRules let it in
        );
        if (addresses.wanted.length === 0 && isReachedByAddressAlone(provider))
          throw addressMissing();
        return {
          ...(body.name === undefined ? {} : { name: body.name }),
          address,
          addresses,
          account: accountOf(provider, settings, address),
          isSole: isSoleOfAccount(provider),
          doorHashes: settings.doorHashes,
          ...(body.settings
            ? {
                settings: settings.open,
                secrets: settings.secrets,
                forget: tokensToForget(row, settings, deps.keys),
              }
            : {}),
          rules,
          reconnects: [body.settings, body.address].some((part) => part !== undefined),
          ...(body.is_active === undefined
            ? {}
            : { desiredState: body.is_active ? activated(row) : 'stopped' }),
        };
      }).catch(asTaken);
      if (!changed) throw notFound('channel', params.id);
      await deps.relay.flush(changed.pending);
      const untold = await updateWarningsOf(deps, tenantId, changed.row);
      return { ...showChannel(deps, changed.row), warnings: [...warnings, ...untold] };
    },
  }),
  route({
    method: 'delete',
    path: '/v1/channels/{id}',
    summary: 'Delete a channel',
    description: 'Its messages stay; its addresses and credentials are given up.',
    tags,
    scope: 'channels:admin',
    params,
    handler: async ({ deps, tenantId, params }) => {
      const pending = await deleteChannel(deps.db, tenantId, params.id);
      if (!pending) throw notFound('channel', params.id);
      await deps.relay.flush(pending);
    },
  }),
  route({
    method: 'post',
    path: '/v1/channels/sync',
    summary: 'Fetch from all active channels at once',
    tags,
    scope: 'channels:admin',
    query: z.object({ provider: ProviderName.optional() }),
    status: 202,
    response: pageOf(Channel),
    handler: async ({ deps, tenantId, query }) => {
      const { rows, pending } = await requestSync(deps.db, tenantId, query);
      await deps.relay.flush(pending);
      return { data: rows.map((row) => showChannel(deps, row)), next_cursor: null };
    },
  }),
];

/** @throws Problem 404 */
export async function channelOr404(
  { db }: ApiDeps,
  tenantId: TenantId,
  id: string,
): Promise<ChannelRow> {
  const row = await findChannel(db, tenantId, id);
  if (!row) throw notFound('channel', id);
  return row;
}

/** A paused channel that is active stays paused. */
function activated(row: ChannelRow): ChannelRow['desired_state'] {
  return row.desired_state === 'stopped' ? 'running' : row.desired_state;
}

function firstState(isActive: boolean, lastError: { detail: string } | null) {
  if (!isActive) return { state: 'stopped', detail: 'Made, and not started yet.' };
  if (lastError) return { state: 'needs_attention', detail: lastError.detail };
  return { state: 'connecting', detail: 'Waiting for its worker.' };
}

function addressMissing(): Problem {
  return invalid('A channel of this provider is reached by its address alone.', [
    { pointer: '/address', message: 'wants the address that mail is sent to' },
  ]);
}
