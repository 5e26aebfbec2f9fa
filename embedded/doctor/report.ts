import { colors as pc } from '../colors.ts';
import type { Finding, FindingState } from './finding.ts';

const SIGN: Readonly<Record<FindingState, string>> = {
  ok: pc.green('✓'),
  warning: pc.yellow('!'),
  broken: pc.red('✗'),
  unknown: pc.yellow('?'),
};

/** A line for each finding by area, and under it what to do. */
export function table(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines: string[] = [];
  for (const [area, found] of Map.groupBy(findings, (finding) => finding.area)) {
    lines.push('', pc.bold(area));
    for (const { check, state, detail, cure } of found) {
      lines.push(`  ${SIGN[state]} ${check.padEnd(width)}  ${detail}`);
      if (cure !== '') lines.push(`    ${' '.repeat(width)}  → ${cure}`);
    }
  }
  return `${lines.slice(1).join('\n')}\n\n${verdict(findings)}\n`;
}

export function json(findings: readonly Finding[], mended: readonly string[]): string {
  const shown = findings.map(({ fix, ...finding }) => ({ ...finding, fixable: fix !== undefined }));
  return `${JSON.stringify({ ok: !isBroken(findings), findings: shown, mended }, null, 2)}\n`;
}

export function isBroken(findings: readonly Finding[]): boolean {
  return findings.some(({ state }) => state === 'broken');
}

function verdict(findings: readonly Finding[]): string {
  const count = (state: FindingState) => findings.filter((one) => one.state === state).length;
  const broken = count('broken');
  if (broken > 0) return pc.red(`${broken} broken, ${count('warning')} to look at.`);
  const look = count('warning') + count('unknown');
  return look > 0 ? pc.yellow(`Nothing is broken; ${look} to look at.`) : pc.green('All is well.');
}
