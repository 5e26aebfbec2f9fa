import type { Victim } from './installation.ts';
import { MOMENT_TITLES } from './moments.ts';
import type { SceneReport } from './scene.ts';

const VICTIM_TITLES: Readonly<Record<Victim, string>> = {
  worker: 'the workers',
  api: 'API and doors',
  postgres: 'Postgres',
  temporal: 'Temporal',
};

/** While it runs. */
export function sceneLine({ findings, ...scene }: SceneReport): string {
  const times = `killed at ${percent(scene.killedAt)}, back after ${scene.awaySeconds.toFixed(1)} s, settled ${scene.settledSeconds.toFixed(1)} s later`;
  const faults = findings.faults.map((fault) => `\n        ${fault}`).join('');
  return `${times}: ${findings.faults.length === 0 ? 'as it must be' : `WRONG${faults}`}`;
}

const HEAD = [
  'Killed',
  'While',
  'At',
  'Back after',
  'Settled after',
  'Mails → messages, tickets',
  'Received again',
  'Answers',
  'Events',
  'Posted again',
  'Clocks',
  'Found',
];

/** What was killed, when, and what was found: as a Markdown table. */
export function reportTable(reports: readonly SceneReport[]): string {
  const rows = reports.map(({ findings, ...scene }) => [
    VICTIM_TITLES[scene.victim],
    MOMENT_TITLES[scene.moment],
    percent(scene.killedAt),
    `${scene.awaySeconds.toFixed(1)} s`,
    `${scene.settledSeconds.toFixed(1)} s`,
    `${findings.mails} → ${findings.messages}, ${findings.tickets}`,
    String(Math.max(0, findings.repeatedReceipts)),
    answers(findings),
    String(findings.events),
    String(findings.repeatedDeliveries),
    findings.latest === null ? '–' : `${findings.clocks}, latest ${findings.latest.toFixed(2)} s`,
    findings.faults.length === 0 ? 'as it must be' : findings.faults.join('; '),
  ]);
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [
    line(HEAD),
    `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`,
    ...rows.map(line),
  ].join('\n');
}

function answers({ sent, uncertain }: SceneReport['findings']): string {
  if (sent + uncertain === 0) return '–';
  return uncertain === 0 ? `${sent} once` : `${sent} once, ${uncertain} uncertain`;
}

function stalled(reports: readonly SceneReport[]): string {
  return (Math.max(0, ...reports.map(({ stalledMs }) => stalledMs)) / 1000).toFixed(2);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** The page that `--write` makes. */
export function matrixPage(reports: readonly SceneReport[], seed: number): string {
  return `# Kill matrix

Made by \`npm run chaos -- --seed ${seed} --write\`: each part of an installation is killed with SIGKILL at a random point in
the middle of each thing the product does, started again, and left alone until nothing is under way.

Then every mail that a door accepted or that lay in the mailbox must be exactly one message, each conversation one ticket
with a running workflow; every answer must have arrived once, or be \`uncertain\` and say so; every event must have been
posted to every endpoint under one id and with one body; every ticket's events must be counted without gaps; nothing may be
staged, in the outbox, queued or pending; and every SLA clock must have been announced once, not early, and not later than a
second after its time, its ticket's birth or everything being back (ten more where a workflow task was in flight; and what
the machine kept the checker itself waiting, since it was busy with other work too: at most ${stalled(reports)} s).

"Back" is when \`/readyz\` of all programs answers 200 and the workers have asked Temporal for work; "settled", when nothing
is under way any more. "Received again" counts mails whose sender got no answer and sent them once more; "posted again", deliveries beyond the first of an event.

${reportTable(reports)}
`;
}
