import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bareEnvironment } from '../harness/index.ts';

const root = join(import.meta.dirname, '../..');
const SPECS = join(root, '../shared/specs');

/** `npm run demo -- <story>` against a running product, to its end. */
export async function playedDemo(story: string, env: Readonly<Record<string, string>>) {
  const played = await new Promise<{ code: number | null; stdout: string; stderr: string }>(
    (done) => {
      const child = execFile(
        process.execPath,
        [join(root, 'embedded/demo.ts'), story],
        { cwd: root, env: bareEnvironment(env) },
        (_error, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }),
      );
    },
  );
  return { ...played, stderr: existsSync(SPECS) ? played.stderr : exceptMissing(played.stderr) };
}

/** Where the vendors' descriptions do not lie beside the repository, the simulators rightly say so. */
function exceptMissing(stderr: string): string {
  const isOfThem = (line: string) =>
    line.endsWith(` is not in ${SPECS}: requests are not held against a description.`);
  return stderr
    .split('\n')
    .filter((line) => !isOfThem(line))
    .join('\n');
}
