import { isDeepStrictEqual } from 'node:util';
import type { DoorHashes } from '../../db/queries/door-keys.ts';
import { openSecrets, sealSecrets, type ChannelRow } from '../../db/queries/channels.ts';
import { type ClaimedAddresses } from '../../db/queries/channel-addresses.ts';
import type { ChannelRules } from '../../domain/rules/schema.ts';
import type { ChannelProvider } from '../../providers/contract.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { mergePatch, mergeSecrets, splitSecrets } from '../../security/settings-secrets.ts';
import { invalid } from '../problem.ts';
import { fieldErrors } from '../validation.ts';
import { doorHashesOf } from './door-keys.ts';

type JsonObject = Record<string, unknown>;

/** Settings that fit their provider's schema, as they are stored: as written, the secrets sealed beside them. */
export interface CheckedSettings {
  readonly parsed: unknown;
  readonly whole: JsonObject;
  readonly open: JsonObject;
  readonly secrets: Buffer | null;
  readonly doorHashes: DoorHashes | null;
  readonly warnings: readonly string[];
}

/** @throws Problem 422 pointing into /settings. */
export function checkSettings(
  provider: ChannelProvider,
  whole: JsonObject,
  channelId: string,
  keys: KeyRing,
): CheckedSettings {
  const { manifest } = provider;
  const parsed = manifest.settings.safeParse(whole);
  if (!parsed.success)
    throw invalid(
      `The settings don't fit a channel of ${manifest.title}; mend the fields named in errors.`,
      fieldErrors(parsed.error.issues, '/settings'),
    );
  const { open, secrets } = splitSecrets(whole, manifest.secrets);
  return {
    parsed: parsed.data,
    whole,
    open,
    secrets: sealSecrets(secrets, channelId, keys),
    doorHashes: doorHashesOf(provider, parsed.data, keys),
    warnings: manifest.warnings?.(parsed.data) ?? [],
  };
}

/** What an admin should know of a channel's settings, as they are stored. */
export function settingsWarnings(
  { manifest }: ChannelProvider,
  row: ChannelRow,
  keys: KeyRing,
): readonly string[] {
  const parsed = manifest.settings.safeParse(mergeSecrets(row.settings, openSecrets(row, keys)));
  return parsed.success ? (manifest.warnings?.(parsed.data) ?? []) : [];
}

/** Stored settings with an admin's changes: JSON merge patch, so that what is left out (secrets too) stays. */
export function patchedSettings(row: ChannelRow, patch: JsonObject, keys: KeyRing): JsonObject {
  return mergePatch(mergeSecrets(row.settings, openSecrets(row, keys)), patch);
}

/**
 * What the channel is called under. An address that an admin wrote must be free; one that only follows from the
 * settings (two folders of one mailbox share it) is taken where it is.
 */
export function addressesOf(
  provider: ChannelProvider,
  settings: CheckedSettings,
  written: string | null,
  rules: Pick<ChannelRules, 'aliases'> | null = null,
): { address: string | null; addresses: ClaimedAddresses } {
  const implied = written ? null : (provider.manifest.addressOf?.(settings.parsed) ?? null);
  const wanted = [written, ...aliasesOf(settings.whole), ...aliasesOf(rules ?? {})].filter(
    (one) => one !== null,
  );
  const offered = implied === null ? [] : [implied];
  return {
    address: written ?? implied,
    addresses: { wanted: wanted.map(lowerCase), offered: offered.map(lowerCase) },
  };
}

/** The vendor's own name of the account, as far as the settings tell it. */
export function accountOf(
  { manifest }: ChannelProvider,
  settings: CheckedSettings,
  address: string | null,
): string | null {
  return manifest.accountOf?.(settings.parsed, address) ?? null;
}

/** Whether one channel alone may be of an account: a chat's messages come to all, and mail's folders are read apart. */
export function isSoleOfAccount({ chat }: ChannelProvider): boolean {
  return chat !== undefined;
}

/**
 * Which kept tokens a change of settings makes useless: with other settings an access token is obtained anew; a token
 * that the admin wrote takes the place of a consent.
 */
export function tokensToForget(
  row: ChannelRow,
  changed: CheckedSettings,
  keys: KeyRing,
): 'access' | 'all' | null {
  const before = mergeSecrets(row.settings, openSecrets(row, keys));
  if (isDeepStrictEqual(before, changed.whole)) return null;
  const [now, then] = [writtenTokens(changed.whole), writtenTokens(before)];
  const written = now.some((token, place) => token !== undefined && token !== then[place]);
  return written ? 'all' : 'access';
}

/** Where settings may hold tokens: at their top, or in `oauth`. */
function writtenTokens(settings: JsonObject): unknown[] {
  const oauth = settings['oauth'];
  return [settings, typeof oauth === 'object' && oauth !== null ? oauth : {}].flatMap((place) => {
    const { refresh_token, access_token } = place as JsonObject; // read alone
    return [refresh_token, access_token];
  });
}

function aliasesOf({ aliases }: { readonly aliases?: unknown }): string[] {
  return Array.isArray(aliases) ? aliases.filter((alias) => typeof alias === 'string') : [];
}

function lowerCase(address: string): string {
  return address.toLowerCase();
}
