import { storedChannelCall } from '../../db/channel-call.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { createCall } from '../../providers/call.ts';
import { withInstallationApp } from '../../providers/environment.ts';
import { rulesWarnings } from '../../providers/autoresponder.ts';
import type {
  ChannelFacts,
  ChannelProvider,
  ProviderCall,
  ValidationReport,
} from '../../providers/contract.ts';
import type { ApiDeps } from '../deps.ts';

const BOUND_MS = 30_000;

/** A channel that is stored, or the facts and settings of one that is yet to be. */
type Tried =
  | LoadedChannel
  | { readonly facts: ChannelFacts; readonly settings: unknown; readonly rules: unknown };

/** Tries a channel's credentials from here, for at most 30 s; never throws for what the outside answers. */
export async function tryCredentials(
  deps: ApiDeps,
  provider: ChannelProvider,
  channel: Tried,
): Promise<ValidationReport> {
  const parsed = provider.manifest.settings.safeParse(channel.settings);
  if (!parsed.success)
    return failed('settings', 'The stored settings no longer fit this provider; write them anew.');
  const warnings = [
    ...(provider.manifest.warnings?.(parsed.data) ?? []),
    ...rulesWarnings(provider, channel.settings, channel.rules),
  ];
  if (!provider.validate) return { ok: true, problems: [], warnings };
  try {
    const report = await bounded(deps, provider, channel);
    return { ...report, warnings: [...new Set([...warnings, ...report.warnings])] };
  } catch (error) {
    deps.log.warn({ err: error, channel: channel.facts.id }, 'a validation broke off');
    return { ...failed('host', plainWords(error)), warnings };
  }
}

async function bounded(
  deps: ApiDeps,
  provider: ChannelProvider,
  channel: Tried,
): Promise<ValidationReport> {
  const signal = AbortSignal.timeout(BOUND_MS);
  const late = new Promise<ValidationReport>((resolve) => {
    const report = failed('host', `No answer within ${BOUND_MS / 1000} s: check host and port.`);
    signal.addEventListener('abort', () => resolve(report), { once: true });
  });
  const call = await callOf(deps, provider, channel, signal);
  return Promise.race([provider.validate!(call), late]);
}

async function callOf(
  deps: ApiDeps,
  provider: ChannelProvider,
  channel: Tried,
  signal: AbortSignal,
): Promise<ProviderCall<unknown>> {
  if ('desiredState' in channel) return storedChannelCall(deps, provider, channel, { signal });
  const network = await deps.network(channel.facts.tenantId);
  const { environment } = deps.config;
  const settings = withInstallationApp(provider.manifest, channel.settings, environment);
  const tried = { ...channel, settings };
  return createCall(provider, { channel: tried, network, log: deps.log, signal });
}

function failed(step: string, detail: string): ValidationReport {
  return { ok: false, problems: [{ step, detail }], warnings: [] };
}

function plainWords(error: unknown): string {
  return error instanceof Error ? error.message : 'The trial broke off without a reason.';
}

/** The first problem as a channel's `last_error`. */
export function errorOf(
  report: ValidationReport,
): { type: string; detail: string; at: string } | null {
  const first = report.problems[0];
  return report.ok || !first
    ? null
    : { type: `validation.${first.step}`, detail: first.detail, at: new Date().toISOString() };
}
