import { readHeader } from './headers.ts';
import type { StoredMessage } from './mailbox.ts';

const DAY_MS = 86_400_000;

type Test = (message: StoredMessage) => boolean;

/** The part of Gmail's search that is played: `rfc822msgid: after: before: newer_than: in: from:`. @throws RangeError for other words */
export function searchFor(q: string): Test {
  const tests = q.split(/\s+/).filter(Boolean).map(testFor);
  return (message) => tests.every((test) => test(message));
}

function testFor(term: string): Test {
  const [, operator = '', value = ''] = /^(\w+):(.+)$/.exec(term) ?? [];
  switch (operator) {
    case 'rfc822msgid': {
      const wanted = value.replace(/[<>]/g, '');
      return ({ raw }) => readHeader(raw, 'message-id')?.replace(/[<>\s]/g, '') === wanted;
    }
    case 'after':
      return ({ internalDate }) => internalDate / 1000 > Number(value);
    case 'before':
      return ({ internalDate }) => internalDate / 1000 < Number(value);
    case 'newer_than': {
      const days = Number(/^(\d+)d$/.exec(value)?.[1]);
      return ({ internalDate }) => internalDate > Date.now() - days * DAY_MS;
    }
    case 'in':
      return ({ labels }) => labels.has(value.toUpperCase());
    case 'from':
      return ({ raw }) => readHeader(raw, 'from')?.includes(value) ?? false;
    default:
      throw new RangeError(`The search term ${term} is not played.`);
  }
}
