/** `ok`; `warning`: it works, and will not for ever; `broken`: something does not work; `unknown`: it can't be told. */
export type FindingState = 'ok' | 'warning' | 'broken' | 'unknown';

/** One thing that was looked at. */
export interface Finding {
  /** `database`, `temporal`, `doors`, `work`, `machine`. */
  readonly area: string;
  /** Stable name, for scripts: `row level security`. */
  readonly check: string;
  readonly state: FindingState;
  readonly detail: string;
  /** What to do; empty where there is nothing to do. */
  readonly cure: string;
  /** Mends it without risk, for `--fix`; says what it did. */
  readonly fix?: () => Promise<string>;
}

type Said = Pick<Finding, 'detail'> & Partial<Pick<Finding, 'cure' | 'fix'>>;

export interface Found {
  readonly ok: (check: string, detail: string) => Finding;
  readonly warning: (check: string, said: Said) => Finding;
  readonly broken: (check: string, said: Said) => Finding;
  readonly unknown: (check: string, said: Said) => Finding;
}

/** Findings of one area. */
export function findingsOf(area: string): Found {
  const say =
    (state: FindingState) =>
    (check: string, said: Said): Finding => ({ area, check, state, cure: '', ...said });
  return {
    ok: (check, detail) => say('ok')(check, { detail }),
    warning: say('warning'),
    broken: say('broken'),
    unknown: say('unknown'),
  };
}

/** What a failure says of itself; several addresses tried at once say so in `errors`. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message || error.name : String(error);
}

/** A check that breaks off is a finding, and keeps no other from being made. */
export async function looking(
  area: string,
  check: string,
  look: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [
      findingsOf(area).unknown(check, {
        detail: `It could not be looked at: ${reasonOf(error)}`,
        cure: 'Mend what is broken above, and ask again.',
      }),
    ];
  }
}
