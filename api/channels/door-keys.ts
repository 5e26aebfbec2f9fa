import type { DoorHashes } from '../../db/queries/door-keys.ts';
import type { ChannelProvider } from '../../providers/contract.ts';
import { fingerprint } from '../../security/fingerprint.ts';
import type { KeyRing } from '../../security/key-ring.ts';

const PURPOSE = 'door keys';

/**
 * What is kept of a channel's door keys; null where its provider's door has none.
 * @param settings as the provider's schema parsed them
 */
export function doorHashesOf(
  { manifest, door }: ChannelProvider,
  settings: unknown,
  keys: KeyRing,
): DoorHashes | null {
  if (!door?.keys) return null;
  const { word, signer, group = null } = door.keys.of(settings);
  const hash = (kind: 'word' | 'signer', value: string | undefined) =>
    value === undefined ? null : fingerprint(keys.derive(PURPOSE), [manifest.name, kind, value]);
  return { keyId: keys.currentId, word: hash('word', word), signer: hash('signer', signer), group };
}

/** A word's hashes under every key of the ring, since a channel may have been written under any of them. */
export function hashesOfWord({ manifest }: ChannelProvider, word: string, keys: KeyRing): Buffer[] {
  return keys.deriveAll(PURPOSE).map((key) => fingerprint(key, [manifest.name, 'word', word]));
}
