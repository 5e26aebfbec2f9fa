import type { ChannelProvider } from './contract.ts';

/** Whether anything can be sent by a channel: yes; its settings name nothing to send by; or why they switch it off. */
export type WayOut = 'open' | 'none' | { readonly off: string };

/** @param settings as they are stored, secrets in place */
export function wayOut({ manifest, sender }: ChannelProvider, settings: unknown): WayOut {
  if (!sender) return 'none';
  if (!sender.hasWayOut && !manifest.off) return 'open';
  const parsed = manifest.settings.safeParse(settings);
  if (!parsed.success) return sender.hasWayOut ? 'none' : 'open';
  const off = manifest.off?.(parsed.data) ?? null;
  if (off !== null) return { off };
  return (sender.hasWayOut?.(parsed.data) ?? true) ? 'open' : 'none';
}

export function hasWayOut(provider: ChannelProvider, settings: unknown): boolean {
  return wayOut(provider, settings) === 'open';
}
