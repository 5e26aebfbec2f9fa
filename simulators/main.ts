// `npm run simulator -- NAME [--port N]`: one vendor on loopback, in the foreground, till Ctrl-C.
import { parseArgs } from 'node:util';
import { simulators } from './registry.ts';

const USAGE = 'npm run simulator -- NAME [--port N]';

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { port: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  const [name] = positionals;
  if (values.help || name === undefined) {
    process.stdout.write(await help());
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  await serve(name, portFrom(values.port));
}

async function help(): Promise<string> {
  const all = await Promise.all(Object.values(simulators).map((load) => load()));
  const width = Math.max(...all.map(({ name }) => name.length));
  const lines = all.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`);
  return `${USAGE}: a vendor on loopback, till Ctrl-C.\n\n${lines.join('\n')}\n`;
}

function portFrom(given: string | undefined): number {
  const port = Number(given ?? 0);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new Error(`--port is a number from 0 (any free one) to 65535, and not ${given}.`);
}

async function serve(name: string, port: number): Promise<void> {
  const load = simulators[name];
  if (!load)
    throw new Error(
      `There is no simulator ${name}. Those that are: ${Object.keys(simulators).join(', ')}.`,
    );
  const { title, start } = await load();
  const { url, pointing, close } = await start(port);
  process.stdout.write(
    [
      title,
      `  base URL  ${url}`,
      `  control   ${url}/_control (GET requests, violations; POST and DELETE faults)`,
      ...pointing.map((line) => `  ${line}`),
      '',
    ].join('\n'),
  );
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await close();
}
