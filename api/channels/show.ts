import { z } from 'zod';
import { doorAddress } from '../../db/channel-call.ts';
import { openSecrets, type ChannelRow } from '../../db/queries/channels.ts';
import type { WaitingSends } from '../../db/queries/waiting-sends.ts';
import { ChannelRules } from '../../domain/rules/schema.ts';
import { findProvider } from '../../providers/registry.ts';
import { mergeSecrets, splitSecrets } from '../../security/settings-secrets.ts';
import { mailboxWorkflowId } from '../../workflows/contracts/mailbox.ts';
import type { ApiDeps } from '../deps.ts';
import { Capabilities, capabilitiesOf } from './capabilities.ts';
import { ChannelHealth, showHealth } from './health.ts';
import { hasDoor } from './provider.ts';

const Time = z.iso.datetime();

export const ChannelState = z
  .enum([
    'stopped',
    'connecting',
    'importing',
    'watching',
    'paused',
    'backing_off',
    'needs_attention',
  ])
  .meta({ id: 'ChannelState' });

const shape = {
  id: z.string(),
  provider: z.string(),
  name: z.string(),
  address: z.string().nullable(),
  settings: z.record(z.string(), z.unknown()).meta({
    description: 'As in effect, defaults filled in; secrets are left out, see `secrets_set`.',
  }),
  secrets_set: z.array(z.string()).meta({
    description: 'Paths in `settings` whose secrets are kept; they are never shown.',
    examples: [['password', 'smtp.password']],
  }),
  rules: ChannelRules.nullable(),
  is_active: z.boolean().meta({
    description: 'False: stopped; its door refuses, and nothing goes out.',
  }),
  state: ChannelState,
  detail: z.string().meta({ description: 'The state in plain words.' }),
  capabilities: Capabilities,
  health: ChannelHealth,
  ingress_url: z.string().nullable().meta({ description: 'Where its door is, if it has one.' }),
  created_at: Time,
  updated_at: Time,
  workflow_url: z.string(),
};

export const Channel = z.object(shape).meta({ id: 'Channel' });
export const WrittenChannel = z
  .object({ ...shape, warnings: z.array(z.string()) })
  .meta({ id: 'WrittenChannel' });
export const CreatedChannel = z
  .object({
    ...shape,
    warnings: z.array(z.string()),
    ingress_token: z
      .string()
      .optional()
      .meta({ description: 'Bearer token of its door; in this answer alone.' }),
  })
  .meta({ id: 'CreatedChannel' });

export const ChannelStatus = z
  .object({
    state: ChannelState,
    detail: z.string(),
    messages_received: z.int(),
    messages_filtered: z
      .int()
      .meta({ description: 'Turned away by its rules or its door, and kept in the journal.' }),
    set_aside: z.int(),
    last_message_at: Time.nullable(),
    next_sweep_at: Time.nullable(),
    watch_expires_at: Time.nullable(),
    last_error: z.object({ type: z.string(), detail: z.string(), at: Time }).nullable(),
    import: z.object({ done: z.int(), total: z.int() }).nullable(),
    warnings: z.array(z.string()).meta({
      description:
        'What is amiss with the account at its vendor, as `health` says; what is to be known of the settings (`whatsapp_enabled` is off, a password travels in plain); what customers are not told, though the settings say so, for want of a template.',
    }),
    health: ChannelHealth,
    waiting: z
      .array(z.object({ code: z.string(), detail: z.string(), messages: z.int() }))
      .meta({ description: 'What could not be sent yet and is tried again, by its reason.' }),
    workflow_url: z.string(),
  })
  .meta({ id: 'ChannelStatus' });

export function showChannel(deps: ApiDeps, row: ChannelRow): z.output<typeof Channel> {
  const secrets = openSecrets(row, deps.keys);
  return {
    id: row.id,
    provider: row.provider,
    name: row.name,
    address: row.address,
    settings: settingsInEffect(row, secrets),
    secrets_set: Object.keys(secrets),
    rules: (row.rules as ChannelRules | null) ?? null, // checkRules let it in
    is_active: row.desired_state !== 'stopped',
    state: stateOf(row),
    detail: row.detail,
    capabilities: capabilitiesOf(row, secrets),
    health: showHealth(row),
    ingress_url: ingressUrl(deps, row),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    workflow_url: workflowUrl(deps, row),
  };
}

export function showStatus(
  deps: ApiDeps,
  row: ChannelRow,
  {
    setAside,
    waiting,
    warnings,
  }: { setAside: number; waiting: readonly WaitingSends[]; warnings: readonly string[] },
): z.output<typeof ChannelStatus> {
  return {
    state: stateOf(row),
    detail: row.detail,
    messages_received: row.messages_received,
    messages_filtered: row.messages_filtered,
    set_aside: setAside,
    last_message_at: row.last_message_at?.toISOString() ?? null,
    next_sweep_at: row.next_sweep_at?.toISOString() ?? null,
    watch_expires_at: row.watch_expires_at?.toISOString() ?? null,
    last_error: row.last_error,
    import: row.import,
    warnings: [...(row.health?.warnings ?? []), ...warnings],
    health: showHealth(row),
    waiting: waiting.map((reason) => ({ ...reason })),
    workflow_url: workflowUrl(deps, row),
  };
}

/** Parsed for its defaults, then without what must not be shown; as stored where the schema has moved on. */
function settingsInEffect(row: ChannelRow, secrets: Record<string, unknown>) {
  const provider = findProvider(row.provider);
  const parsed = provider?.manifest.settings.safeParse(mergeSecrets(row.settings, secrets));
  return parsed?.success
    ? splitSecrets(parsed.data as Record<string, unknown>, provider!.manifest.secrets).open // settings are objects
    : row.settings;
}

function stateOf(row: ChannelRow): z.output<typeof ChannelState> {
  return ChannelState.parse(row.state);
}

function ingressUrl({ config }: ApiDeps, { provider: name, id }: ChannelRow): string | null {
  const provider = findProvider(name);
  return provider && hasDoor(provider) ? doorAddress(config, provider, id) : null;
}

function workflowUrl({ relay }: ApiDeps, row: ChannelRow): string {
  return relay.workflowUrl(mailboxWorkflowId({ tenantId: row.tenant_id, channelId: row.id }));
}
