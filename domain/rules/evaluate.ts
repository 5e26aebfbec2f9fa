import { createHash } from 'node:crypto';
import { isDeliverable, normalizeAddress } from '../mail/addresses.ts';
import type { MailAddress } from '../message.ts';
import type { TicketPriority } from '../ticket.ts';
import { compileCondition, type CompiledCondition } from './conditions.ts';
import type { RuleFacts } from './facts.ts';
import { compilePattern, type Found, type Pattern } from './pattern.ts';
import { ChannelRules, type Actions, type Autoresponder, type Rule } from './schema.ts';
import { refusedByLists } from './sender-lists.ts';

/** Why a mail is kept in the journal and becomes neither message nor ticket. */
export interface Filtered {
  readonly by: 'allowlist' | 'blocklist' | 'subject_keywords' | 'rule' | 'door';
  /** The rule that skips it. */
  readonly rule?: string;
  /** In plain words. */
  readonly detail: string;
}

/** What a channel's rules make of one mail. */
export interface Verdict {
  readonly filtered: Filtered | null;
  /** Counts only where the mail would begin a ticket: answers are never kept out by their subject. */
  readonly lacksKeyword: Filtered | null;
  /** Names of the rules that matched, in their order. */
  readonly matched: readonly string[];
  readonly priority: TicketPriority | null;
  readonly tags: readonly string[];
  readonly team: string | null;
  readonly assignee: string | null;
  readonly type: string | null;
  readonly spam: boolean;
  readonly requester: MailAddress | null;
  readonly group: NoticeGroup | null;
}

/** Notices that go to one ticket. */
export interface NoticeGroup {
  readonly rule: string;
  /** Hex hash of the rule's name and the key. */
  readonly key: string;
  readonly hours: number;
}

export const NO_VERDICT: Verdict = {
  filtered: null,
  lacksKeyword: null,
  matched: [],
  priority: null,
  tags: [],
  team: null,
  assignee: null,
  type: null,
  spam: false,
  requester: null,
  group: null,
};

interface CompiledRule {
  readonly written: Rule;
  readonly all: readonly CompiledCondition[];
  readonly any: readonly CompiledCondition[] | null;
  readonly requester: Pattern | null;
  readonly group: Pattern | null;
}

/** A channel's rules, ready to be asked. */
export interface CompiledRules {
  readonly written: ChannelRules;
  readonly rules: readonly CompiledRule[];
  readonly autoresponder: Autoresponder | null;
}

/** @throws ZodError where stored rules no longer fit the schema. */
export function compileRules(stored: unknown): CompiledRules {
  const written = ChannelRules.parse(stored ?? {});
  const { autoresponder } = written;
  return {
    written,
    rules: (written.rules ?? []).map(compileRule),
    autoresponder: autoresponder?.enabled ? autoresponder : null,
  };
}

function compileRule(written: Rule): CompiledRule {
  const { when, then } = written;
  return {
    written,
    all: (when.all ?? []).map(compileCondition),
    any: when.any?.map(compileCondition) ?? null,
    requester:
      then.requester && 'pattern' in then.requester ? compilePattern(then.requester.pattern) : null,
    group: then.group_by?.pattern === undefined ? null : compilePattern(then.group_by.pattern),
  };
}

/**
 * What the rules make of a mail: the lists first, then every rule from first to last. Of two that set the same thing the
 * later counts; tags add up. Deterministic: time and what is stored play no part.
 */
export function evaluate(rules: CompiledRules, facts: RuleFacts): Verdict {
  const { written } = rules;
  const refused = refusedByLists(written, facts);
  if (refused) return { ...NO_VERDICT, filtered: refused };
  let verdict: Verdict = { ...NO_VERDICT, lacksKeyword: lacksKeyword(written, facts) };
  for (const rule of rules.rules) {
    if (!matches(rule, facts)) continue;
    verdict = apply(verdict, rule, facts);
    if (rule.written.stop) break;
  }
  return verdict;
}

/** The same for a mail that an admin let in: whatever would turn it away is passed over. */
export function evaluateReleased(rules: CompiledRules, facts: RuleFacts): Verdict {
  const { rules: own = [], ...rest } = rules.written;
  const open = { ...rules, written: { autoresponder: rest.autoresponder, rules: own } };
  return { ...evaluate(open, facts), filtered: null, lacksKeyword: null };
}

function matches({ all, any }: CompiledRule, facts: RuleFacts): boolean {
  return (
    all.every((condition) => condition.holds(facts) !== null) &&
    (any === null || any.some((condition) => condition.holds(facts) !== null))
  );
}

function apply(verdict: Verdict, rule: CompiledRule, facts: RuleFacts): Verdict {
  const { name, then } = rule.written;
  return {
    ...verdict,
    matched: [...verdict.matched, name],
    filtered: then.skip
      ? { by: 'rule', rule: name, detail: `The rule "${name}" skips it.` }
      : verdict.filtered,
    priority: then.priority ?? verdict.priority,
    tags: [...new Set([...verdict.tags, ...(then.tags ?? [])])],
    team: then.team ?? verdict.team,
    assignee: then.assignee ?? verdict.assignee,
    type: then.type ?? verdict.type,
    spam: then.spam ?? verdict.spam,
    requester: requesterOf(then, rule.requester, facts) ?? verdict.requester,
    group: groupOf(rule, facts) ?? verdict.group,
  };
}

function lacksKeyword(
  { subject_keywords: keywords = [] }: ChannelRules,
  facts: RuleFacts,
): Filtered | null {
  if (keywords.length === 0 || facts.isReport) return null;
  const subject = facts.subject.toLowerCase();
  if (keywords.some((keyword) => subject.includes(keyword.toLowerCase()))) return null;
  return { by: 'subject_keywords', detail: 'Its subject has none of the keywords.' };
}

function requesterOf(
  { requester }: Actions,
  pattern: Pattern | null,
  facts: RuleFacts,
): MailAddress | null {
  if (!requester) return null;
  if ('header' in requester) {
    const entries = facts.addresses(requester.header);
    return entries.find(({ address }) => isDeliverable(address)) ?? null;
  }
  const found = pattern!.find(requester.in === 'subject' ? facts.subject : facts.body);
  return found && personOf(found);
}

function personOf({ groups, named }: Found): MailAddress | null {
  const address = normalizeAddress(named.address ?? groups.find((group) => group !== null) ?? '');
  return isDeliverable(address) ? { name: named.name?.trim() ?? '', address } : null;
}

function groupOf({ written, group }: CompiledRule, facts: RuleFacts): NoticeGroup | null {
  const wanted = written.then.group_by;
  if (!wanted) return null;
  const key = group === null ? '' : keyOf(group.find(textIn(wanted.in, facts)));
  if (key === null) return null;
  const hash = createHash('sha256').update(JSON.stringify([written.name.toLowerCase(), key]));
  return {
    rule: written.name,
    key: hash.digest('hex').slice(0, 32),
    hours: wanted.within_hours,
  };
}

function textIn(where: 'subject' | 'body', { subject, body }: RuleFacts): string {
  return where === 'subject' ? subject : body;
}

function keyOf(found: Found | null): string | null {
  if (!found) return null;
  const caught = found.groups.find((group) => group !== null) ?? found.text;
  return caught.trim().toLowerCase();
}

/** Each rule with its conditions, and where they were found: for an admin who asks why. */
export interface RuleExplanation {
  readonly name: string;
  readonly matched: boolean;
  /** A rule before it said `stop`. */
  readonly passed_over: boolean;
  readonly conditions: readonly ConditionExplanation[];
}

export interface ConditionExplanation {
  readonly of: 'all' | 'any';
  readonly condition: Rule['when']['all'] extends (infer C)[] | undefined ? C : never;
  readonly holds: boolean;
  /** What it was found in, shortened. */
  readonly found: string | null;
}

export function explain(rules: CompiledRules, facts: RuleFacts): RuleExplanation[] {
  let stopped = false;
  return rules.rules.map((rule) => {
    const passedOver = stopped;
    const matched = !passedOver && matches(rule, facts);
    if (matched && rule.written.stop) stopped = true;
    const told = (of: 'all' | 'any', conditions: readonly CompiledCondition[]) =>
      conditions.map((condition): ConditionExplanation => {
        const found = condition.holds(facts);
        return { of, condition: condition.written, holds: found !== null, found: found || null };
      });
    return {
      name: rule.written.name,
      matched,
      passed_over: passedOver,
      conditions: [...told('all', rule.all), ...told('any', rule.any ?? [])],
    };
  });
}
