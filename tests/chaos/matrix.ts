// `npm run chaos`: kills each part of the product in the middle of each thing it does, for real, and looks at what is left.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VICTIMS, type Victim } from './installation.ts';
import { MOMENTS, type Moment } from './moments.ts';
import { playScene, type Scene, type SceneReport } from './scene.ts';
import { openWorld, type World } from './stage.ts';
import { matrixPage, reportTable, sceneLine } from './table.ts';

const HELP = `npm run chaos -- [options]

Kills (SIGKILL) the workers, the API with its doors, Postgres and the Temporal server, each in the middle of everything
the product does, on an installation of its own; then checks that nothing is lost and nothing doubled.

  --rounds N       play the whole matrix N times (1)
  --seed S         of mails and of the moments of the kills (by the clock)
  --only V/M[,…]   parts of the matrix: worker/import, postgres, /reply
                   V: ${VICTIMS.join(', ')}
                   M: ${Object.keys(MOMENTS).join(', ')}
  --outage S       the victim stays away for S seconds (0.3 to 2.5)
  --write          put the table into docs/kill-matrix.md
  --help           this text
`;

const PAGE = join(import.meta.dirname, '../../docs/kill-matrix.md');

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '1' },
      seed: { type: 'string' },
      only: { type: 'string' },
      outage: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const seed = values.seed === undefined ? Math.floor(Date.now() / 1000) : Number(values.seed);
  const scenes = scenesOf(seed, Number(values.rounds), values.only);
  if (scenes.length === 0) {
    process.stderr.write(`Nothing in the matrix fits --only ${values.only}.\n`);
    return 2;
  }
  const awayMs = values.outage === undefined ? undefined : Number(values.outage) * 1000;
  process.stdout.write(`Seed ${seed}, ${scenes.length} scenes\n`);
  const reports = await play(scenes, awayMs);
  process.stdout.write(`\n${reportTable(reports)}\n`);
  const failed =
    scenes.length - reports.filter(({ findings }) => findings.faults.length === 0).length;
  if (values.write) writeFileSync(PAGE, matrixPage(reports, seed));
  process.stdout.write(`${scenes.length - failed} scenes as they must be, ${failed} not\n`);
  return failed === 0 ? 0 : 1;
}

async function play(scenes: readonly Scene[], awayMs?: number): Promise<SceneReport[]> {
  const reports: SceneReport[] = [];
  let world: World | undefined;
  try {
    for (const [at, scene] of scenes.entries()) {
      world ??= await openWorld(scenes.length);
      process.stdout.write(
        `${String(at + 1).padStart(3)}/${scenes.length} ${scene.victim}/${scene.moment} `,
      );
      try {
        const report = await playScene(world, scene, { awayMs });
        reports.push(report);
        process.stdout.write(`${sceneLine(report)}\n`);
      } catch (error) {
        process.stdout.write(
          `broke off: ${error instanceof Error ? error.message : String(error)}\n`,
        );
        // What is left of the installation may not be fit for the next one.
        for (const name of ['api', 'worker'])
          process.stderr.write(`${world.installation.logTail(name, 8)}\n`);
        await world.close();
        world = undefined;
      }
    }
  } finally {
    await world?.close();
  }
  return reports;
}

function scenesOf(seed: number, rounds: number, only?: string): Scene[] {
  const wanted = only?.split(',').map((part) => part.split('/'));
  const fits = (victim: Victim, moment: Moment) =>
    wanted === undefined ||
    wanted.some(([v = '', m = '']) => (v === '' || v === victim) && (m === '' || m === moment));
  const moments = Object.keys(MOMENTS) as Moment[];
  const scenes: Scene[] = [];
  for (let round = 0; round < rounds; round++)
    for (const [row, victim] of VICTIMS.entries())
      for (const [column, moment] of moments.entries())
        if (fits(victim, moment))
          scenes.push({ victim, moment, seed: seed + round * 1000 + row * 100 + column });
  return scenes;
}

process.exit(await main());
