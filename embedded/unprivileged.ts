import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';

/** How a command is put so that it doesn't run as root, which Postgres refuses. */
export type Unprivileged = (command: string, args: readonly string[]) => [string, string[]];

const NOBODY = '65534';

/**
 * As an ordinary user: the command as it is. As root: in a user namespace of its own, where it keeps
 * root's access to files under another number; where the kernel forbids that (many containers), as
 * `nobody`, to whom `folder` is then given and who may then pass through `home`.
 * @throws Error that says what to do where neither works.
 */
export function unprivileged(folder: string, binary: string, home: string): Unprivileged {
  if (process.getuid?.() !== 0) return (command, args) => [command, [...args]];
  const namespace = ['--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];
  if (works('unshare', [...namespace, binary, '--version']))
    return (command, args) => ['unshare', [...namespace, command, ...args]];
  const drop = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];
  if (works('chown', ['-R', `${NOBODY}:${NOBODY}`, folder])) {
    chmodSync(home, 0o711);
    const reachable =
      works('setpriv', [...drop, binary, '--version']) &&
      works('setpriv', [...drop, 'test', '-w', folder]);
    if (reachable) return (command, args) => ['setpriv', [...drop, command, ...args]];
  }
  throw new Error(
    'Postgres refuses to run as root, and this machine allows neither a user namespace (unshare) nor ' +
      `user "nobody" to reach ${binary} and ${folder}. Run as an ordinary user, put the checkout and ` +
      'POSTROOM_HOME where other users may enter, or point DATABASE_URL at a Postgres of your own.',
  );
}

function works(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
