/** One measured number, beside what it is to be and what the same work costs at least. */
export interface Figure {
  /** `warm: mails a second` */
  readonly name: string;
  readonly value: number;
  /** `/s`, `ms`, `events` */
  readonly unit: string;
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
  /** What the work can't do without, measured in the same run, in plain words with its figure. */
  readonly ceiling?: string;
}

export interface BenchmarkOptions {
  /** A tenth of the work: to see that it runs, not to quote. */
  readonly quick: boolean;
  /** The sizes that take long, too. */
  readonly full: boolean;
  /** Folder for CPU profiles of the product; slower, so not to quote. */
  readonly profile?: string;
  /** Says in one line what is under way or was found. */
  readonly say: (line: string) => void;
}

export interface Benchmark {
  readonly name: string;
  readonly about: string;
  run(options: BenchmarkOptions): Promise<Figure[]>;
}

/** Whether the figure is as its target wants it; undefined without a target. */
export function isMet({ value, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
}
