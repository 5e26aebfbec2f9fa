import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApp } from './app.ts';
import type { ApiDeps } from './deps.ts';

/** How long running requests may take to end at a shutdown. */
const DRAIN_MS = 5_000;
/** Longer than usual proxies keep a connection, so that they close it and not we. */
const KEEP_ALIVE_MS = 75_000;

export interface RunningApi {
  /** `http://127.0.0.1:3000` */
  readonly url: string;
  /** Takes no new requests, lets the running ones end for 5 s, then cuts them. */
  close(): Promise<void>;
}

/** Listens on the configured host and port (0: any free one). @throws the listener's error, such as EADDRINUSE. */
export async function startApi(deps: ApiDeps): Promise<RunningApi> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, createApp(deps));
  const { host, apiPort } = deps.config;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(apiPort, host, resolve);
  });
  const { port } = server.address() as AddressInfo; // a TCP listener has one
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shownHost}:${port}`,
    close: () =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
