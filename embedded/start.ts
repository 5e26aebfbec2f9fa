// `npm start`: everything up, in the foreground.
import { ConfigError, loadConfig, type Config } from '../config/config.ts';
import { HELP } from './help.ts';
import { AlreadyRunning } from './lock.ts';
import type { Product } from './product.ts';
import { terminalProgress } from './progress.ts';
import { readRunningState } from './running-state.ts';
import { stopRequest } from './stop-request.ts';
import { summary } from './summary.ts';

/** Time for an orderly end; what then still runs is killed, its tethers included. */
const STOP_WITHIN_MS = 8000;

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  if (args.length > 0) {
    process.stderr.write(
      `Unknown option ${args[0]}; \`npm start -- --help\` lists what there is.\n`,
    );
    return 2;
  }
  const stopping = stopRequest();
  const progress = terminalProgress();
  let config: Config;
  let product: Product;
  try {
    config = loadConfig();
    const { startProduct } = await import('./product.ts'); // --help needs none of it
    const abort = new AbortController();
    const starting = startProduct(config, progress, abort.signal);
    const first = await Promise.race([starting, stopping]);
    if (typeof first === 'string') {
      abort.abort(new Error('asked to end while starting'));
      return await stopHalfStarted(starting);
    }
    product = first;
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    return 1;
  }
  process.stdout.write(
    summary({ ...product.running, home: config.home, firstKey: product.firstKey }),
  );
  const fault = await Promise.race([
    stopping.then(() => undefined),
    product.failed.catch((error: unknown) => explain(error)),
  ]);
  if (fault !== undefined) process.stderr.write(`${fault}\nEnding the rest …\n`);
  else process.stderr.write('Ending …\n');
  return (await stopWithin(product.stop())) && fault === undefined ? 0 : 1;
}

async function stopHalfStarted(starting: Promise<Product>): Promise<number> {
  process.stderr.write('Ending …\n');
  const ended = starting.then(
    (product) => product.stop(),
    () => undefined,
  );
  await stopWithin(ended);
  return 130;
}

/** False where the orderly end took too long; this process's end then ends the servers. */
async function stopWithin(stopped: Promise<void>): Promise<boolean> {
  const tooLong = new Promise<boolean>((done) => {
    setTimeout(() => done(false), STOP_WITHIN_MS).unref();
  });
  const orderly = await Promise.race([stopped.then(() => true), tooLong]);
  if (!orderly) process.stderr.write('It took too long; what is left is killed.\n');
  return orderly;
}

function explain(error: unknown): string {
  if (error instanceof AlreadyRunning) {
    const running = readRunningState(loadConfig().home);
    return (
      `${error.message} ` +
      (running ? `Its API is at ${running.apiUrl} (process ${running.pid}). ` : '') +
      'For a second copy set POSTROOM_HOME and the ports (`npm start -- --help`).'
    );
  }
  if (error instanceof ConfigError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

process.exit(await main(process.argv.slice(2)));
