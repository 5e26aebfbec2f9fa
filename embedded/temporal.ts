import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { freePort } from './ports.ts';
import { startTethered, type Tethered } from './tether.ts';

export interface TemporalOptions {
  /** Path of the Temporal CLI. */
  readonly binary: string;
  /** State folder: the database goes to `temporal.db` in it. */
  readonly home: string;
  /** 0 takes any free one, for both ports. */
  readonly port: number;
  /** Undefined starts no UI. */
  readonly uiPort?: number;
  readonly namespace: string;
  /** Where the UI's browser sends payloads to be decrypted. */
  readonly codecEndpoint?: string;
  readonly dynamicConfig?: Readonly<Record<string, string | number | boolean>>;
}

export interface EmbeddedTemporal {
  /** host:port of the frontend. */
  readonly address: string;
  readonly uiUrl?: string;
  /** Of the wrapper that the server is a child of. */
  readonly pid: number;
  readonly exited: Tethered['exited'];
  stop(): Promise<void>;
  logTail: Tethered['logTail'];
}

const READY_WITHIN_MS = 60_000;
// Without the write-ahead log the server is three times slower; killed under load it lost nothing.
const PRAGMAS = [
  'journal_mode=wal',
  'synchronous=1',
  'wal_autocheckpoint=20000',
  'cache_size=-65536',
];

/** Starts the embedded server with its state on disk; it ends with this process, however that ends. */
export async function startTemporal(options: TemporalOptions): Promise<EmbeddedTemporal> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port === 0 ? await freePort() : options.port;
    const uiPort = options.uiPort === 0 ? await freePort() : options.uiPort;
    const address = `127.0.0.1:${port}`;
    const server = startTethered({
      name: 'temporal',
      command: options.binary,
      args: serverArguments(options, port, uiPort),
      log: join(options.home, 'logs', 'temporal.log'),
      stopSignal: 'TERM',
    });
    const problem = await untilReady(address, options.namespace, server);
    if (problem === undefined)
      return {
        address,
        uiUrl: uiPort === undefined ? undefined : `http://127.0.0.1:${uiPort}`,
        pid: server.pid,
        exited: server.exited,
        stop: () => server.stop(),
        logTail: (lines) => server.logTail(lines),
      };
    await server.stop();
    // It takes further free ports of its own, and another program may be quicker at any of them.
    if (attempt === 3 || !/address already in use|can't set port/i.test(problem))
      throw new Error(`The Temporal server did not start: ${problem}`);
  }
}

function serverArguments(options: TemporalOptions, port: number, uiPort?: number): string[] {
  const ui =
    uiPort === undefined
      ? ['--headless']
      : [
          '--ui-port',
          String(uiPort),
          ...(options.codecEndpoint ? ['--ui-codec-endpoint', options.codecEndpoint] : []),
        ];
  return [
    'server',
    'start-dev',
    '--ip',
    '127.0.0.1',
    '--port',
    String(port),
    ...ui,
    ...(options.namespace === 'default' ? [] : ['--namespace', options.namespace]),
    '--db-filename',
    join(options.home, 'temporal.db'),
    ...PRAGMAS.flatMap((pragma) => ['--sqlite-pragma', pragma]),
    ...Object.entries(options.dynamicConfig ?? {}).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${JSON.stringify(value)}`,
    ]),
    '--log-level',
    'error',
    '--log-format',
    'json',
    '--color',
    'never',
  ];
}

/** What went wrong, or undefined once the namespace is served. */
async function untilReady(
  address: string,
  namespace: string,
  server: Tethered,
): Promise<string | undefined> {
  const deadline = Date.now() + READY_WITHIN_MS;
  let ended = false;
  void server.exited.then(() => (ended = true));
  const connection = Connection.lazy({ address });
  try {
    for (;;) {
      // gRPC waits a second after a refused connection, so a bare socket looks first.
      const refused =
        (await portRefused(address)) ?? (await namespaceServed(connection, namespace));
      if (refused === undefined && !ended) return undefined; // else it is another's answer
      if (ended) return `it ended at once.\n${server.logTail()}`;
      if (Date.now() > deadline)
        return `it does not answer after ${READY_WITHIN_MS / 1000} s (${refused}).\n${server.logTail()}`;
      await sleep(50);
    }
  } finally {
    await connection.close();
  }
}

function portRefused(address: string): Promise<string | undefined> {
  const [host, port] = address.split(':');
  return new Promise((done) => {
    const socket = connect({ host, port: Number(port) });
    socket.once('error', (error) => done(error.message));
    socket.once('connect', () => {
      socket.destroy();
      done(undefined);
    });
  });
}

async function namespaceServed(
  connection: Connection,
  namespace: string,
): Promise<string | undefined> {
  try {
    await connection.withDeadline(Date.now() + 2000, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
