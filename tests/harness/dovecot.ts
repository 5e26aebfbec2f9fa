import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../embedded/ports.ts';
import { startTethered, type Tethered } from '../../embedded/tether.ts';
import { makeCertificate } from './certificate.ts';
import { dovecotConfiguration, oauthDatabase, type DovecotPorts } from './dovecot-configuration.ts';
import { untilListening } from './listening.ts';

export interface DovecotUser {
  readonly username: string;
  readonly password: string;
}

export interface StoredMail {
  readonly raw: Buffer;
  /** Maildir letters: S seen, R answered, F flagged, T deleted, D draft. */
  readonly flags: string;
}

/** A real Dovecot of the calling test file's own, on loopback. */
export interface Dovecot {
  readonly host: '127.0.0.1';
  /** `imap` and `pop3` offer STARTTLS and take plain logins; `imaps` and `pop3s` are TLS. */
  readonly ports: DovecotPorts;
  /** PEM of the self-signed certificate, for a client's `tls.ca`. */
  readonly ca: string;
  readonly certFile: string;
  readonly users: readonly DovecotUser[];
  /** Puts a raw message into a folder, as a delivery agent does; an idling client is told. */
  deliver(username: string, raw: string | Buffer, options?: DeliverOptions): void;
  /** What a folder holds, oldest delivery first. */
  stored(username: string, folder?: string): StoredMail[];
  /** Counts a user's INBOX anew under another UIDVALIDITY, as a restored or moved mailbox does; it restarts for that. */
  renumber(username: string): Promise<void>;
  /** Kills all its processes at once; the ports stay its own for `start`. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Orderly end, and removal of everything. */
  stop(): Promise<void>;
  logTail(lines?: number): string;
}

export interface DeliverOptions {
  /** Default INBOX; made where it is missing. */
  readonly folder?: string;
  /** IMAP's internal date; default now. */
  readonly at?: Date;
  /** Maildir letters, e.g. `S` for seen; default none, and the message is new. */
  readonly flags?: string;
}

const NOBODY = 65534;

export interface DovecotOptions {
  /** Takes OAuth tokens too, and asks there about them (RFC 7662): `{active, username}`. */
  readonly introspectionUrl?: string;
}

/** Starts a Dovecot with these users (default: one, `support@example.test` with password `secret`). */
export async function dovecot(
  users: readonly DovecotUser[] = [{ username: 'support@example.test', password: 'secret' }],
  { introspectionUrl }: DovecotOptions = {},
): Promise<Dovecot> {
  // Directly under /tmp, because paths of unix sockets must stay short.
  const folder = mkdtempSync('/tmp/postroom-dc-');
  chmodSync(folder, 0o755);
  const certificate = await makeCertificate(folder);
  const ports: DovecotPorts = {
    imap: await freePort(),
    imaps: await freePort(),
    pop3: await freePort(),
    pop3s: await freePort(),
  };
  const root = process.getuid?.() === 0;
  const mailbox = new Maildirs(join(folder, 'mail'), root ? NOBODY : undefined);
  for (const { username } of users) mailbox.folder(username, 'INBOX');
  writeFileSync(
    join(folder, 'users'),
    users.map(({ username, password }) => `${username}:{PLAIN}${password}::::::\n`).join(''),
  );
  if (introspectionUrl !== undefined)
    writeFileSync(join(folder, 'oauth2.conf'), oauthDatabase(introspectionUrl));
  const configuration = join(folder, 'dovecot.conf');
  const owner = root ? { uid: NOBODY, gid: NOBODY } : { ...userInfo() };
  writeFileSync(
    configuration,
    dovecotConfiguration(said('/usr/sbin/dovecot', '--version'), {
      folder,
      ports,
      certificate,
      root,
      owner,
      user: said('id', '-un'),
      group: said('id', '-gn'),
      ...(introspectionUrl !== undefined && { introspectionUrl }),
    }),
  );

  let server: Tethered | undefined;
  const start = async () => {
    // A killed master may stay as a zombie where nobody reaps it, and would count as running.
    rmSync(join(folder, 'run', 'master.pid'), { force: true });
    server = startTethered({
      name: 'dovecot',
      command: '/usr/sbin/dovecot',
      args: ['-F', '-c', configuration],
      log: join(folder, 'out.log'),
      stopSignal: 'TERM',
    });
    const log = () => tail(join(folder, 'dovecot.log'), 20);
    await untilListening(server, Object.values(ports), log);
  };
  const kill = async () => {
    if (server === undefined) return;
    process.kill(-server.pid, 'SIGKILL');
    await server.exited;
  };
  await start();
  return {
    host: '127.0.0.1',
    ports,
    ca: certificate.cert,
    certFile: certificate.certFile,
    users,
    deliver: (username, raw, options) => mailbox.deliver(username, raw, options),
    stored: (username, name = 'INBOX') => mailbox.stored(username, name),
    async renumber(username) {
      await kill();
      mailbox.forgetNumbers(username);
      await start();
    },
    kill,
    start,
    async stop() {
      await server?.stop();
      rmSync(folder, { recursive: true, force: true });
    },
    logTail: (lines = 30) => tail(join(folder, 'dovecot.log'), lines),
  };
}

function said(command: string, argument: string): string {
  return execFileSync(command, [argument], { encoding: 'utf8' }).trim();
}

/** Maildir++ trees, one a user, written as a delivery agent writes them. */
class Maildirs {
  readonly #root: string;
  readonly #owner: number | undefined;
  #delivered = 0;

  constructor(root: string, owner: number | undefined) {
    this.#root = root;
    this.#owner = owner;
    this.#makeFolder(root);
  }

  folder(username: string, name: string): string {
    const home = join(this.#root, username);
    const path = name === 'INBOX' ? home : join(home, `.${name.replaceAll('/', '.')}`);
    if (existsSync(join(path, 'cur'))) return path;
    for (const part of [home, path, ...['tmp', 'new', 'cur'].map((sub) => join(path, sub))])
      this.#makeFolder(part);
    if (name !== 'INBOX') this.#write(join(path, 'maildirfolder'), '');
    return path;
  }

  deliver(username: string, raw: string | Buffer, options: DeliverOptions = {}): void {
    const path = this.folder(username, options.folder ?? 'INBOX');
    const at = options.at ?? new Date();
    const order = String(this.#delivered++).padStart(8, '0');
    const name = `${Math.floor(Date.now() / 1000)}.M${order}P${process.pid}.localhost`;
    const made = join(path, 'tmp', name);
    this.#write(made, raw);
    utimesSync(made, at, at);
    const place =
      options.flags === undefined ? ['new', name] : ['cur', `${name}:2,${options.flags}`];
    renameSync(made, join(path, ...place));
  }

  stored(username: string, name: string): StoredMail[] {
    const path = this.folder(username, name);
    return ['new', 'cur']
      .flatMap((sub) => readdirSync(join(path, sub)).map((file) => ({ sub, file })))
      .sort((a, b) => (a.file < b.file ? -1 : 1))
      .map(({ sub, file }) => ({
        raw: readFileSync(join(path, sub, file)),
        flags: /:2,([A-Za-z]*)$/.exec(file)?.[1] ?? '',
      }));
  }

  /** Without its list of UIDs the server makes a new one, under the time of now as UIDVALIDITY. */
  forgetNumbers(username: string): void {
    const path = this.folder(username, 'INBOX');
    for (const file of readdirSync(path))
      if (/^dovecot[-.](uid|index)/.test(file)) rmSync(join(path, file));
  }

  #makeFolder(path: string): void {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    this.#give(path);
  }

  #write(path: string, content: string | Buffer): void {
    writeFileSync(path, content, { mode: 0o600 });
    this.#give(path);
  }

  #give(path: string): void {
    if (this.#owner !== undefined) chownSync(path, this.#owner, this.#owner);
  }
}

function tail(file: string, lines: number): string {
  return existsSync(file)
    ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
    : '';
}
