import { assertNever } from '../assert-never.ts';
import { domainOf, type RuleFacts } from './facts.ts';
import { compilePattern } from './pattern.ts';
import type { Condition, Operator } from './schema.ts';

/** A condition that can be asked of mail after mail. */
export interface CompiledCondition {
  readonly written: Condition;
  /** The text it was found in, shortened; null where it doesn't hold. With `not`, an empty text where it holds. */
  readonly holds: (facts: RuleFacts) => string | null;
}

const SHOWN_CHARACTERS = 200;

/** @throws BadPattern */
export function compileCondition(written: Condition): CompiledCondition {
  const find = finder(written);
  return {
    written,
    holds(facts) {
      const found = find(facts)?.slice(0, SHOWN_CHARACTERS) ?? null;
      if (!written.not) return found;
      return found === null ? '' : null;
    },
  };
}

function finder(condition: Condition): (facts: RuleFacts) => string | null {
  const operator = operatorOf(condition);
  switch (operator) {
    case 'over':
      return ({ size }) => (size > condition.over! ? `${size} bytes` : null);
    case 'under':
      return ({ size }) => (size < condition.under! ? `${size} bytes` : null);
    case 'exists':
      return (facts) => {
        const found = texts(condition, facts).find((text) => text !== '');
        if (condition.exists) return found ?? null;
        return found === undefined ? '' : null;
      };
    case 'is': {
      const wanted = listed(condition.is!).map((text) => text.toLowerCase());
      return (facts) =>
        texts(condition, facts).find((text) => wanted.includes(text.trim().toLowerCase())) ?? null;
    }
    case 'contains': {
      const wanted = listed(condition.contains!).map((text) => text.toLowerCase());
      return (facts) => texts(condition, facts).flatMap((text) => holding(text, wanted))[0] ?? null;
    }
    case 'matches': {
      const pattern = compilePattern(condition.matches!);
      return (facts) => {
        for (const text of texts(condition, facts)) {
          const found = pattern.find(text);
          if (found) return found.text;
        }
        return null;
      };
    }
    default:
      return assertNever(operator);
  }
}

/** The operator that a checked condition has. */
export function operatorOf(condition: Condition): Operator {
  const operators = ['is', 'contains', 'matches', 'exists', 'over', 'under'] as const;
  return operators.find((operator) => condition[operator] !== undefined)!;
}

/** The words where one of them stands in the text. */
function holding(text: string, words: readonly string[]): string[] {
  const lower = text.toLowerCase();
  return words.filter((word) => lower.includes(word));
}

function texts({ field, name }: Condition, facts: RuleFacts): readonly string[] {
  switch (field) {
    case 'sender':
      return facts.sender ? [facts.sender.address] : [];
    case 'domain': {
      const domain = domainOf(facts.sender?.address);
      return domain === '' ? [] : [domain];
    }
    case 'recipient':
      return facts.recipients;
    case 'header':
      return facts.headers(name!);
    case 'subject':
      return [facts.subject];
    case 'body':
      return [facts.body];
    case 'type':
      return [facts.type];
    case 'attachment':
      return facts.attachments;
    case 'size':
      return [];
    default:
      return assertNever(field);
  }
}

function listed(texts: string | readonly string[]): readonly string[] {
  return typeof texts === 'string' ? [texts] : texts;
}
