import type { ChannelProvider } from './contract.ts';

/** Whether anything can be sent by a channel with these settings, which are as they are stored, secrets in place. */
export function hasWayOut({ manifest, sender }: ChannelProvider, settings: unknown): boolean {
  if (!sender) return false;
  if (!sender.hasWayOut) return true;
  const parsed = manifest.settings.safeParse(settings);
  return parsed.success && sender.hasWayOut(parsed.data);
}

/** What an admin should know of rules that the settings leave without effect. */
export function rulesWarnings(
  provider: ChannelProvider,
  settings: unknown,
  rules: unknown,
): string[] {
  const { autoresponder } = (rules ?? {}) as { autoresponder?: { enabled?: boolean } }; // checked when they were saved
  if (!autoresponder || autoresponder.enabled === false || hasWayOut(provider, settings)) return [];
  return [NO_WAY_OUT];
}

export const NO_WAY_OUT =
  'The autoresponder answers nobody: the settings of this channel name nothing to send by.';
