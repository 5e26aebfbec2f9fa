import { spawn, type ChildProcess } from 'node:child_process';
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Post } from './mailbox-watch-process.ts';

const PROCESS = join(import.meta.dirname, 'mailbox-watch-process.ts');

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Runs one worker process, knows each moment it comes to, kills it as it is told, and has a fresh one take over. */
export class Overseer {
  /** The moments at which a worker was killed. */
  readonly kills: string[] = [];
  /** What workers came to, newest last. */
  readonly moments: string[] = [];
  /** How many worker processes there were. */
  processes = 0;
  /** What workers wrote to their standard error. */
  log = '';
  /** Called at every moment, when this process has the server's time. */
  witness: () => void = () => {};
  readonly #follow: () => Promise<unknown>;
  readonly #servers: Server[] = [];
  #post: Omit<Post, 'overseer'> | null = null;
  #url = '';
  #killAt: RegExp | null = null;
  #worker: ChildProcess | null = null;

  /** @param follow takes on the server's time */
  constructor(follow: () => Promise<unknown>) {
    this.#follow = follow;
  }

  /** From now on there is a worker. */
  async start(post: Omit<Post, 'overseer'>): Promise<void> {
    this.#url = await this.#listen(async (request) => {
      await this.#moment((await bytesOf(request)).toString());
      return { status: 200, headers: {}, body: Buffer.from(String(Date.now())) };
    });
    this.#post = post;
    this.#launch();
  }

  /** The worker is killed as it comes to the next moment that fits. */
  killAt(moment: RegExp): void {
    this.#killAt = moment;
  }

  get isArmed(): boolean {
    return this.#killAt !== null;
  }

  killNow(moment: string): void {
    this.kills.push(moment);
    this.#worker?.kill('SIGKILL');
  }

  /** Between the worker and a vendor: `GET /path asked` before the vendor hears of it, `GET /path done` before the worker does. */
  frontOf(vendorUrl: string): Promise<string> {
    return this.#listen(async (request) => {
      const body = await bytesOf(request);
      const what = `${request.method} ${request.url?.split('?')[0]}`;
      await this.#moment(`${what} asked`);
      const answer = await forwarded(vendorUrl, request, body);
      await this.#moment(`${what} done`);
      return answer;
    });
  }

  async close(): Promise<void> {
    this.#post = null;
    this.#worker?.kill('SIGKILL');
    for (const server of this.#servers) {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }
  }

  /** @throws where the worker has been killed: nobody waits for the answer */
  async #moment(what: string): Promise<void> {
    await this.#follow();
    this.moments.push(`${new Date().toISOString()} ${what}`);
    this.witness();
    if (!this.#killAt?.test(what)) return;
    this.#killAt = null;
    this.killNow(what);
    throw new Error('The worker is no more.');
  }

  #launch(): void {
    const post: Post = { ...this.#post!, overseer: this.#url };
    const worker = spawn(process.execPath, [PROCESS, JSON.stringify(post)], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    worker.stderr.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    worker.once('exit', () => this.#post && this.#launch());
    this.#worker = worker;
    this.processes += 1;
  }

  async #listen(answerTo: (request: IncomingMessage) => Promise<Answer>): Promise<string> {
    const server = createServer((request, response) => {
      answerTo(request).then(
        ({ status, headers, body }) => response.writeHead(status, headers).end(body),
        () => request.socket.destroy(),
      );
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo; // listens on TCP: never a path
    return `http://127.0.0.1:${port}`;
  }
}

async function bytesOf(incoming: IncomingMessage): Promise<Buffer> {
  return Buffer.concat((await incoming.toArray()) as Buffer[]); // no encoding is set
}

function forwarded(
  vendorUrl: string,
  { method, url, headers }: IncomingMessage,
  body: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false };
    const outgoing = httpRequest(new URL(url ?? '/', vendorUrl), options, (answer) => {
      bytesOf(answer).then(
        (bytes) =>
          resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
