import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import { FAILURE_CONVERTER_PATH } from './data-converter.ts';

const WORKFLOWS = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/postroom/', import.meta.url));

/** The workflow bundle: built once per state of its sources and kept, so that a start with nothing changed builds nothing. */
export async function workflowBundle(): Promise<WorkflowBundle> {
  const file = join(CACHE, `workflows-${await fingerprint()}.js`);
  if (existsSync(file)) return { code: await readFile(file, 'utf8') };
  const bundle = await bundleWorkflowCode({
    workflowsPath: WORKFLOWS,
    failureConverterPath: FAILURE_CONVERTER_PATH,
    // Evaluated once and not for each execution: no module of ours keeps anything of its own (a test looks).
    preloadModules: ['@temporalio/workflow', WORKFLOWS],
    logger: { trace() {}, debug() {}, info() {}, log() {}, warn: report, error: report },
  });
  await mkdir(CACHE, { recursive: true });
  await writeFile(`${file}.${process.pid}`, bundle.code);
  await rename(`${file}.${process.pid}`, file);
  return { code: bundle.code };
}

function report(message: string): void {
  process.stderr.write(`workflow bundle: ${message}\n`);
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Over every file a workflow may import, and the lockfile. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of ['workflows', 'domain', 'activities', 'workers/temporal']) {
    const names = await readdir(join(ROOT, folder), { recursive: true });
    for (const name of names.filter((file) => file.endsWith('.ts')).sort()) {
      hash.update(name).update(await readFile(join(ROOT, folder, name)));
    }
  }
  hash.update(await readFile(join(ROOT, 'package-lock.json')));
  return hash.digest('hex').slice(0, 16);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await rm(CACHE, { recursive: true, force: true });
  const { code } = await workflowBundle();
  process.stdout.write(`Built the workflow bundle: ${(code.length / 1e6).toFixed(2)} MB.\n`);
}
