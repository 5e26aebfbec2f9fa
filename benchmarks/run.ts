// `npm run bench`: measures the product beside its ceilings and prints both beside the targets.
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { chat } from './chat.ts';
import type { Benchmark, Figure } from './contract.ts';
import { deliveries } from './deliveries.ts';
import { growth } from './growth.ts';
import { history } from './history.ts';
import { idle } from './idle.ts';
import { mailbox } from './mailbox.ts';
import { providers } from './providers.ts';
import { reply } from './reply.ts';
import { rest } from './rest.ts';
import { table } from './table.ts';

const BENCHMARKS: readonly Benchmark[] = [
  mailbox,
  idle,
  reply,
  history,
  rest,
  growth,
  deliveries,
  providers,
  chat,
];

const HELP = `npm run bench -- [--only NAME[,NAME…]] [--quick] [--full] [--json FILE]

  --only NAME   only these:
${BENCHMARKS.map(({ name, about }) => `                  ${name.padEnd(12)} ${about}`).join('\n')}
  --quick       a tenth of the work: to see that it runs, not to quote
  --full        the sizes that take long, too (50,000 mails)
  --profile DIR the product's CPU profiles go there, and Postgres' costliest statements are listed
  --json FILE   writes the figures there as well
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const measured: { benchmark: string; figures: Figure[] }[] = [];
  for (const benchmark of chosen(values.only)) {
    const { name, about } = benchmark;
    process.stderr.write(`${name}: ${about}; load ${load()}\n`);
    const say = (line: string) => process.stderr.write(`  ${line}\n`);
    const { quick, full, profile } = values;
    const figures = await benchmark.run({ quick, full, profile, say });
    measured.push({ benchmark: name, figures });
  }
  process.stdout.write(`${table(measured)}\n${machine()}, load ${load()}\n`);
  if (values.json) writeFileSync(values.json, JSON.stringify(report(measured), null, 2));
  return 0;
}

function chosen(only: string | undefined): readonly Benchmark[] {
  if (only === undefined) return BENCHMARKS;
  return only.split(',').map((wanted) => {
    const found = BENCHMARKS.find(({ name }) => name === wanted.trim());
    if (found) return found;
    const names = BENCHMARKS.map(({ name }) => name).join(', ');
    throw new Error(`There is no benchmark "${wanted}"; there are ${names}.`);
  });
}

function report(measured: readonly { benchmark: string; figures: Figure[] }[]) {
  return { at: new Date().toISOString(), machine: machine(), load: load(), measured };
}

function machine(): string {
  return `${cpus().length} cores of ${cpus()[0]?.model.trim()}`;
}

/** Programs that wanted a core at once, over the last minute: above the cores there are, rates and times are not the product's. */
function load(): string {
  return loadavg()[0]!.toFixed(1);
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
