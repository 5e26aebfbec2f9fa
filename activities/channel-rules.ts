import type { LoadedChannel } from '../db/queries/channels.ts';
import { storedRules } from '../db/queries/staged.ts';
import { compileRules, type CompiledRules } from '../domain/rules/evaluate.ts';
import type { Deps } from './deps.ts';

/** Compiled rules of so many channels are kept: patterns take longer to compile than to ask. */
const KEPT = 200;
const compiled = new Map<string, CompiledRules>();

/** A channel's rules as they are now, asked once a batch. Rules that no longer fit are passed over, and the log says so. */
export async function channelRules(
  { db, log }: Pick<Deps, 'db' | 'log'>,
  { facts }: Pick<LoadedChannel, 'facts'>,
): Promise<CompiledRules> {
  const stored = await storedRules(db, facts.tenantId, facts.id);
  const text = JSON.stringify(stored);
  const known = compiled.get(text);
  if (known) return known;
  try {
    const rules = compileRules(stored);
    if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
    compiled.set(text, rules);
    return rules;
  } catch (error) {
    log.error(
      { channel: facts.id, reason: error instanceof Error ? error.message : String(error) },
      'a channel’s stored rules can’t be used and are passed over; save them anew',
    );
    return compileRules(null);
  }
}
