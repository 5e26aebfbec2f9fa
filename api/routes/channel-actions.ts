import { z } from 'zod';
import { requestSync, wantState } from '../../db/queries/channel-changes.ts';
import { openChannel, type DesiredState } from '../../db/queries/channels.ts';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import { makeDoorKeys } from '../channels/missing-door-keys.ts';
import { providerNamed } from '../channels/provider.ts';
import { Channel, showChannel } from '../channels/show.ts';
import { updateWarningsOf } from '../channels/update-messages.ts';
import { tryCredentials } from '../channels/validate.ts';
import type { ApiDeps } from '../deps.ts';
import { conflict, notFound, Problem } from '../problem.ts';
import { route, type AnyRoute } from '../route.ts';
import { channelOr404 } from './channels.ts';

const common = {
  method: 'post',
  tags: ['Channels'],
  scope: 'channels:admin',
  params: z.object({ id: z.string() }),
} as const;

const Report = z
  .object({
    ok: z.boolean(),
    problems: z.array(
      z.object({
        step: z.string().meta({ description: 'host, port, tls, login, folder, permission …' }),
        detail: z.string(),
        pointer: z.string().optional(),
      }),
    ),
    warnings: z.array(z.string()),
    facts: z.array(z.string()).meta({ description: 'What the vendor tells of the account.' }),
  })
  .meta({ id: 'ValidationReport' });

export const channelActionRoutes: readonly AnyRoute[] = [
  route({
    ...common,
    path: '/v1/channels/{id}/validate',
    summary: 'Try a channel’s credentials',
    description: 'Says what is wrong and how to mend it; changes nothing. Takes at most 30 s.',
    status: 200,
    response: Report,
    handler: async ({ deps, tenantId, params }) => {
      const report = await validate(deps, tenantId, params.id);
      return {
        ok: report.ok,
        problems: report.problems.map((problem) => ({ ...problem })),
        warnings: [...report.warnings],
        facts: [...(report.facts ?? [])],
      };
    },
  }),
  route({
    ...common,
    path: '/v1/channels/{id}/start',
    summary: 'Start a channel',
    description: 'Its credentials are tried first; where they fail, it stays as it is (422).',
    status: 200,
    response: Channel,
    handler: async ({ deps, tenantId, params }) => {
      const before = await channelOr404(deps, tenantId, params.id);
      const runs = before.desired_state === 'running' && !isInTrouble(before.state);
      if (!runs) {
        const { ok, problems } = await validate(deps, tenantId, params.id);
        if (!ok)
          throw new Problem(
            422,
            'validation_failed',
            `The channel can't be started: ${problems.map(({ detail }) => detail).join(' ')}`,
            {
              errors: problems.map(({ pointer = '/settings', detail }) => ({
                pointer,
                message: detail,
              })),
            },
          );
      }
      await makeDoorKeys(deps, tenantId, [before.id as ChannelId]);
      return want(deps, tenantId, params.id, 'running');
    },
  }),
  route({
    ...common,
    path: '/v1/channels/{id}/pause',
    summary: 'Pause a channel',
    description:
      'It fetches and sends nothing. Its door still accepts, answers are still queued, and both are kept for later; answers for a day.',
    status: 200,
    response: Channel,
    handler: ({ deps, tenantId, params }) =>
      want(deps, tenantId, params.id, 'paused', ['running', 'paused']),
  }),
  route({
    ...common,
    path: '/v1/channels/{id}/resume',
    summary: 'Resume a paused channel',
    status: 200,
    response: Channel,
    handler: ({ deps, tenantId, params }) =>
      want(deps, tenantId, params.id, 'running', ['running', 'paused']),
  }),
  route({
    ...common,
    path: '/v1/channels/{id}/sync',
    summary: 'Fetch from a channel now',
    status: 202,
    response: Channel,
    handler: async ({ deps, tenantId, params }) => {
      const before = await channelOr404(deps, tenantId, params.id);
      const { rows, pending } = await requestSync(deps.db, tenantId, { channelId: before.id });
      const row = rows[0];
      if (!row) throw notRunning(before.desired_state);
      await deps.relay.flush(pending);
      return showChannel(deps, row);
    },
  }),
];

async function validate(deps: ApiDeps, tenantId: TenantId, id: string) {
  const row = await channelOr404(deps, tenantId, id);
  const report = await tryCredentials(
    deps,
    providerNamed(row.provider),
    openChannel(row, deps.keys),
  );
  const untold = await updateWarningsOf(deps, tenantId, row);
  return { ...report, warnings: [...report.warnings, ...untold] };
}

async function want(
  deps: ApiDeps,
  tenantId: TenantId,
  id: string,
  desired: DesiredState,
  from?: readonly DesiredState[],
) {
  const wanted = await wantState(deps.db, tenantId, id, desired, from);
  if (!wanted) throw notFound('channel', id);
  if (wanted.refused) throw notRunning(wanted.row.desired_state);
  await deps.relay.flush(wanted.pending);
  return showChannel(deps, wanted.row);
}

function isInTrouble(state: string): boolean {
  return state === 'needs_attention' || state === 'backing_off';
}

function notRunning(desired: DesiredState): Problem {
  return desired === 'paused'
    ? conflict('channel_paused', 'The channel is paused; resume it first (POST …/resume).')
    : conflict('channel_stopped', 'The channel is stopped; start it first (POST …/start).');
}
