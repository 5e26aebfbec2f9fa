// `npm run doctor`: examines the installation and says what to do.
import { parseArgs } from 'node:util';
import { loadConfig } from '../config/config.ts';
import { examine } from './doctor/examine.ts';
import { reasonOf, type Finding } from './doctor/finding.ts';
import { isBroken, json, table } from './doctor/report.ts';

const HELP = `npm run doctor [-- --json] [-- --fix]: examines the installation and says what to do.

It looks at the product running with this home (POSTROOM_HOME), or where DATABASE_URL and TEMPORAL_ADDRESS lead;
DATABASE_URL names the owner of the tables. It changes nothing without --fix.

  --json   findings as JSON
  --fix    mends what can be mended without risk: starts missing workflows, registers search attributes,
           makes or resumes Schedules; then looks again
  --help   this text

Ends with 1 where something is broken, with 2 where it can't be asked.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      fix: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const config = loadConfig();
  let { findings, close } = await examine(config);
  let mended: string[] = [];
  try {
    if (values.fix) {
      mended = await mend(findings);
      if (mended.length > 0) {
        await close();
        ({ findings, close } = await examine(config));
      }
    }
  } finally {
    await close();
  }
  const said = mended.map((line) => `mended: ${line}\n`).join('');
  process.stdout.write(values.json ? json(findings, mended) : said + table(findings));
  return isBroken(findings) ? 1 : 0;
}

async function mend(findings: readonly Finding[]): Promise<string[]> {
  const mended: string[] = [];
  for (const { check, fix } of findings) {
    if (!fix) continue;
    try {
      mended.push(`${check}: ${await fix()}`);
    } catch (error) {
      process.stderr.write(`${check} could not be mended: ${reasonOf(error)}\n`);
    }
  }
  return mended;
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(2);
}
