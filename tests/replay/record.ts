// Records a history of each workflow in each of its states, from a real run: `node tests/replay/record.ts [NAME…]`.
// A history that is committed stays as it is: only what is missing is written, unless it is named.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SealingCodec } from '../../workers/temporal/codec.ts';
import { opened, recordedWorkflows, type RecordedWorkflow } from '../harness/histories.ts';
import { withParts } from '../harness/with-parts.ts';
import { historyText } from './history-text.ts';
import { live, type Story } from './story.ts';

const FOLDER = join(import.meta.dirname, 'histories');

await withParts(async () => {
  const named = new Set(process.argv.slice(2));
  const story = await live();
  try {
    await record(story, named);
  } finally {
    await story.end();
  }
});
process.exit(0); // the Temporal runtime keeps the process alive

async function record({ cast, chosen }: Story, named: ReadonlySet<string>): Promise<void> {
  const { postroom } = cast;
  const codec = new SealingCodec(postroom.deps.keys);
  const recorded = await recordedWorkflows(postroom.deps.client);
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, isIt] of Object.entries(chosen)) {
    const file = join(FOLDER, `${name}.json`);
    if (existsSync(file) && !named.has(name)) continue;
    const workflow = recorded.find(isIt);
    if (!workflow) throw new Error(`No workflow came to the state "${name}".`);
    writeFileSync(file, await textOf(workflow, codec));
    process.stdout.write(`${name}: ${workflow.history.events?.length} events\n`);
  }
}

async function textOf(workflow: RecordedWorkflow, codec: SealingCodec): Promise<string> {
  return historyText(workflow, await opened(workflow.history, codec));
}
