import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { findingsOf, reasonOf, type Finding } from './finding.ts';

const WANTED_NODE = 24;
const LOW_BYTES = 2 * 1024 ** 3;
const LEAST_BYTES = 256 * 1024 ** 2;

const found = findingsOf('machine');

/** Node, and the disk that the home is on. */
export async function lookAtMachine(home: string): Promise<readonly Finding[]> {
  return [node(), await disk(home)];
}

function node(): Finding {
  const { node: version } = process.versions;
  if (Number(version.split('.')[0]) >= WANTED_NODE) return found.ok('node', `Node ${version}`);
  return found.broken('node', {
    detail: `Node ${version} is too old`,
    cure: `Use Node ${WANTED_NODE}: \`npm ci\` installs it, and the npm scripts use it.`,
  });
}

async function disk(home: string): Promise<Finding> {
  const folder = nearest(home);
  try {
    const { bavail, bsize } = await statfs(folder);
    return judge(folder, bavail * bsize);
  } catch (error) {
    return found.unknown('disk', {
      detail: `The room at ${folder} can't be told: ${reasonOf(error)}`,
      cure: `See \`df -h ${folder}\`.`,
    });
  }
}

function judge(folder: string, free: number): Finding {
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB are free at ${folder}`;
  if (free >= LOW_BYTES) return found.ok('disk', detail);
  const cure = 'Give it more room before it is full. docs/runbooks/disk-full.md';
  return (free < LEAST_BYTES ? found.broken : found.warning)('disk', { detail, cure });
}

/** A home is made at the first start. */
function nearest(folder: string): string {
  return existsSync(folder) || folder === dirname(folder) ? folder : nearest(dirname(folder));
}
