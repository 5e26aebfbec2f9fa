// Runs a TypeScript entry on the locked Node 24, installing the dependencies first where they are
// missing or stale. Plain JavaScript with built-ins alone, because it must run on Node 20.
// Standard output belongs to the script: everything said here goes to standard error.
import { spawn } from 'node:child_process';
import {
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import Module from 'node:module';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules', '.bin');
const lock = join(root, '.postroom-install.log');
const compileCache = join(root, 'node_modules', '.cache', 'node');
const LOCK_STALE_MS = 30_000;
const WANTED_NODE = 24;

const [scriptArgument, ...scriptArguments] = process.argv.slice(2);
if (!scriptArgument) fail('usage: node embedded/bootstrap.mjs SCRIPT.ts [argument…]');
const script = resolve(scriptArgument);

await install();
await run();

async function install() {
  if (staleBecause() === undefined) return;
  await takeLock();
  const beat = setInterval(() => utimesSync(lock, new Date(), new Date()), 5000);
  try {
    const reason = staleBecause(); // somebody else may have installed meanwhile
    if (reason !== undefined) await npmCi(reason);
  } finally {
    clearInterval(beat);
    rmSync(lock, { force: true });
  }
}

/** Why node_modules can't be used as it is; undefined where it is whole and current. */
function staleBecause() {
  const installed = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (installed === undefined) return 'they are missing, or an install was interrupted';
  const wanted = packagesOf(join(root, 'package-lock.json'));
  if (wanted === undefined) fail('package-lock.json is missing: this checkout is not whole.');
  const testing = relative(root, script).startsWith(`tests${sep}`);
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link) continue;
    const present = installed[path];
    const mayBeAbsent =
      entry.optional || entry.devOptional || entry.peer || (entry.dev && !testing);
    if (present === undefined && !mayBeAbsent) return `${path} is missing`;
    if (present !== undefined && present.version !== entry.version) return `${path} is out of date`;
  }
  if (!existsSync(join(bin, 'node'))) return 'Node 24 is missing';
  return undefined;
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** One install at a time: a file made by link(2), kept young by its holder. */
async function takeLock() {
  const mine = `${lock}.${process.pid}.log`;
  let told = false;
  for (;;) {
    writeFileSync(mine, String(process.pid));
    try {
      linkSync(mine, lock);
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    } finally {
      rmSync(mine, { force: true });
    }
    if (abandoned()) {
      const aside = `${lock}.${process.pid}.old.log`;
      try {
        renameSync(lock, aside);
        rmSync(aside, { force: true });
      } catch (error) {
        if (error.code !== 'ENOENT') throw error; // another one was quicker
      }
      continue;
    }
    if (!told) say('Another install of the dependencies is under way here; waiting for it …');
    told = true;
    await new Promise((done) => setTimeout(done, 300));
  }
}

function abandoned() {
  try {
    if (Date.now() - statSync(lock).mtimeMs > LOCK_STALE_MS) return true;
    const holder = Number(readFileSync(lock, 'utf8'));
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH' || error.code === 'ENOENT';
  }
}

async function npmCi(reason) {
  const from = Date.now();
  const seconds = () => Math.round((Date.now() - from) / 1000);
  say(`Installing the locked dependencies (${reason}); this takes some seconds …`);
  const progress = setInterval(() => say(`  … still installing, ${seconds()} s`), 5000);
  // The Node in node_modules is about to be replaced, so npm must not run on it.
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => entry !== bin);
  const npm = spawn('npm', ['ci', '--include=dev', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: path.join(delimiter) },
    shell: process.platform === 'win32',
  });
  const stop = (signal) => npm.kill(signal);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const outcome = await new Promise((done) => {
    npm.on('error', (error) => done(error.message));
    npm.on('exit', (code, signal) =>
      done(code === 0 ? undefined : (signal ?? `exit code ${code}`)),
    );
  });
  process.off('SIGINT', stop).off('SIGTERM', stop);
  clearInterval(progress);
  if (outcome !== undefined) {
    rmSync(lock, { force: true });
    fail(
      `The dependencies could not be installed (npm ci: ${outcome}). What npm says is above; ` +
        'most often the package registry was out of reach. Run the same command again once it is.',
    );
  }
  say(`Installed in ${seconds()} s.`);
}

async function run() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= WANTED_NODE) {
    process.argv = [process.argv[0], script, ...scriptArguments];
    Module.enableCompileCache(compileCache); // halves the time to load our modules
    Module.runMain(); // in this process, as its main module
    return;
  }
  const child = spawn(join(bin, 'node'), [script, ...scriptArguments], {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: [bin, process.env.PATH].join(delimiter),
      NODE_COMPILE_CACHE: compileCache,
    },
  });
  if (process.env.npm_lifecycle_event !== undefined) {
    const parent = process.ppid; // npm killed with SIGKILL tells nobody
    setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref();
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`Node 24 could not be started: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}
