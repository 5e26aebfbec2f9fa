import { Problem } from './problem.ts';

/** Version 3 is `"3"`. */
export function etag(version: number): string {
  return `"${version}"`;
}

/**
 * The version that `If-Match` asks for, or null where any will do (`*`, or no header).
 * A weak tag (`W/"3"`), as proxies make them, is read as its strong one.
 * @throws Problem 400 where it is no tag of ours.
 */
export function ifMatch(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '*') return null;
  const version = /^(?:W\/)?"?(\d{1,15})"?$/.exec(header.trim())?.[1];
  if (version !== undefined) return Number(version);
  throw new Problem(400, 'bad_if_match', 'If-Match wants the ETag of the last answer, as it was.', {
    errors: [{ pointer: '/headers/if-match', message: 'wants one ETag, such as "3"' }],
  });
}

/** 412: somebody else was faster. */
export function stale(version: number): Problem {
  return new Problem(
    412,
    'version_mismatch',
    `It has been changed since: it is at version ${version} now. Read it again and repeat the change.`,
    { headers: { ETag: etag(version) } },
  );
}
