import { isMet, type Figure } from './contract.ts';

const COLUMNS = ['figure', 'measured', 'target', 'ceiling in the same run', 'met'];

/** All figures as a Markdown table, which is as easily read in a terminal. */
export function table(
  measured: readonly { benchmark: string; figures: readonly Figure[] }[],
): string {
  const rows = measured.flatMap(({ benchmark, figures }) =>
    figures.map((figure) => [
      `${benchmark}: ${figure.name}`,
      `${rounded(figure.value)} ${figure.unit}`,
      targetOf(figure),
      figure.ceiling ?? '',
      { true: 'yes', false: 'NO', undefined: '' }[`${isMet(figure)}`],
    ]),
  );
  const widths = COLUMNS.map((name, at) =>
    Math.max(name.length, ...rows.map((row) => row[at]!.length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |\n`;
  return [line(COLUMNS), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join(
    '',
  );
}

function targetOf({ target }: Figure): string {
  if (target === undefined) return '';
  return 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
}

function rounded(value: number): string {
  if (Number.isInteger(value) || value >= 100) return value.toFixed(0);
  return value.toFixed(value < 10 ? 2 : 1);
}
