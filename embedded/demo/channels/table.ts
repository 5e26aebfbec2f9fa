import { colors } from '../../colors.ts';

export interface ChannelTable<Column extends string> {
  /** Fills a row's cells; with null for the column, a word for the whole row. */
  cell(row: string): (column: Column | null, what: string) => void;
  /** Writes the whole of it. */
  end(): void;
}

/** Tells each cell as it is filled, and all of them in one table at the end. */
export function channelTable<Column extends string>(
  out: NodeJS.WriteStream,
  columns: readonly Column[],
  rows: readonly string[],
): ChannelTable<Column> {
  const { bold, dim, green, red } = colors;
  const cells = new Map(rows.map((row) => [row, new Map<Column | null, string>()]));
  const first = Math.max(...rows.map((row) => row.length));
  const width = (column: Column) =>
    Math.max(column.length, ...[...cells.values()].map((row) => (row.get(column) ?? '').length));
  return {
    cell: (row) => (column, what) => {
      cells.get(row)!.set(column, what);
      out.write(dim(`  ${row.padEnd(first)}  ${column === null ? what : `${column}: ${what}`}\n`));
    },
    end() {
      const line = (name: string, cell: (column: Column) => string) =>
        [name, ...columns.map((column) => cell(column))].join('  ').trimEnd();
      const heading = line(' '.repeat(first), (column) => column.padEnd(width(column)));
      out.write(`\n${bold(heading)}\n`);
      for (const [row, filled] of cells) {
        const whole = filled.get(null);
        const shown = (column: Column) => {
          const what = (filled.get(column) ?? '').padEnd(width(column));
          return what.startsWith('FAILED') ? red(what) : green(what);
        };
        out.write(
          whole === undefined
            ? `${line(row.padEnd(first), shown)}\n`
            : `${row.padEnd(first)}  ${whole}\n`,
        );
      }
    },
  };
}
