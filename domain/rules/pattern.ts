import { RE2JS } from 're2js';

/**
 * What a channel's patterns may cost. RE2 takes time in proportion to program size times text length, so that bounds on
 * both bound every mail's evaluation, whoever wrote the pattern and whatever the mail says.
 */
export const PATTERN_LIMITS = {
  /** Of one pattern's text. */
  characters: 500,
  /** Instructions of one compiled pattern. */
  program: 350,
  /** Instructions of all patterns of a channel together. */
  programs: 1_200,
  /** How much of a text patterns look at, from its beginning. */
  text: 16_384,
} as const;

/** A pattern that can't be used, with the reason in plain words. */
export class BadPattern extends Error {
  override name = 'BadPattern';
}

/** An RE2 pattern; it ignores case, and `^` and `$` stand for the ends of lines. */
export interface Pattern {
  readonly size: number;
  readonly groups: number;
  /** The first place that matches: all of it, and what its groups caught. */
  readonly find: (text: string) => Found | null;
}

export interface Found {
  readonly text: string;
  /** By number; null where a group took no part. */
  readonly groups: readonly (string | null)[];
  readonly named: Readonly<Record<string, string | null>>;
}

/** @throws BadPattern where RE2 doesn't know it, or it is too large. */
export function compilePattern(source: string): Pattern {
  if (source.length > PATTERN_LIMITS.characters)
    throw new BadPattern(`is longer than ${PATTERN_LIMITS.characters} characters`);
  const compiled = compile(source);
  const size = compiled.programSize();
  if (size > PATTERN_LIMITS.program)
    throw new BadPattern(
      `comes to ${size} steps, more than the ${PATTERN_LIMITS.program} allowed; use smaller repeat counts`,
    );
  const names = Object.keys(compiled.namedGroups());
  return {
    size,
    groups: compiled.groupCount(),
    find(whole) {
      const text = whole.slice(0, PATTERN_LIMITS.text);
      // The test alone runs without groups, which is far faster: most texts end here.
      if (!compiled.test(text)) return null;
      const matcher = compiled.matcher(text);
      if (!matcher.find()) return null;
      return {
        text: matcher.group() ?? '',
        groups: Array.from({ length: matcher.groupCount() }, (_, place) =>
          matcher.group(place + 1),
        ),
        named: Object.fromEntries(names.map((name) => [name, matcher.group(name)])),
      };
    },
  };
}

function compile(source: string): RE2JS {
  try {
    return RE2JS.compile(source, RE2JS.CASE_INSENSITIVE | RE2JS.MULTILINE);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BadPattern(
      `is no RE2 pattern (${reason.replace('error parsing regexp: ', '')}); see github.com/google/re2/wiki/Syntax`,
      { cause: error },
    );
  }
}
