import type { z } from 'zod';
import type { FieldError } from './problem.ts';

/**
 * What zod found, as errors for a problem document; never the value itself, which may be a secret.
 * @param base where the schema's root lies: `''` for the body, `/query`, `/settings`.
 */
export function fieldErrors(issues: readonly z.core.$ZodIssue[], base = ''): FieldError[] {
  return issues.flatMap((issue) => {
    const pointer = base + pointerTo(issue.path);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        pointer: pointer + pointerTo([key]),
        message: 'There is no such field here; leave it out or mend its name.',
      }));
    const isQuery = base === '/query';
    return [{ pointer: pointer || '/', message: plainWords(issue, isQuery) }];
  });
}

function plainWords(issue: z.core.$ZodIssue, isQuery: boolean): string {
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
    return `This field is missing; it wants ${article(issue.expected)}.`;
  if (issue.code === 'invalid_format' && issue.message === 'Invalid ISO datetime')
    return `wants a time with its zone, such as 2027-03-01T09:00:00Z${isQuery ? '; a plus in it is written %2B' : ''}`;
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
    const ways = issue.errors.flatMap((way) => way.slice(0, 1).map((inner) => inner.message));
    return ways.length > 0 ? [...new Set(ways)].join('; or: ') : issue.message;
  }
  return issue.message;
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function pointerTo(path: readonly PropertyKey[]): string {
  return path
    .map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}
