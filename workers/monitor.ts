import { createServer } from 'node:http';
import { ConfigError } from '../config/config.ts';
import type { ReadinessPart } from '../api/deps.ts';
import { registry } from '../telemetry/metrics.ts';

export interface Monitor {
  close(): Promise<void>;
}

const PATIENCE_MS = 5_000;

/**
 * `/metrics`, `/healthz` and `/readyz` of a process that may have no door. They need no key: bind them inside only.
 * @throws ConfigError where the port can't be had.
 */
export async function startMonitor(
  { host, port }: { host: string; port: number },
  readiness: () => Promise<ReadinessPart[]>,
): Promise<Monitor> {
  const server = createServer((req, res) => {
    const json = (status: number, body: unknown) =>
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const answer = async (): Promise<unknown> => {
      switch (req.url?.split('?')[0]) {
        case '/healthz':
          return json(200, { status: 'ok' });
        case '/readyz': {
          const parts = await inTime(readiness());
          const ok = parts.every((part) => part.ok);
          return json(ok ? 200 : 503, { status: ok ? 'ready' : 'not ready', parts });
        }
        case '/metrics':
          return res
            .writeHead(200, { 'content-type': registry.contentType })
            .end(await registry.metrics());
        default:
          return json(404, { status: 'not found', see: ['/healthz', '/readyz', '/metrics'] });
      }
    };
    answer().catch((error: unknown) => json(503, { status: 'not ready', error: String(error) }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new ConfigError(
          `POSTROOM_METRICS_PORT: nothing can listen on ${host}:${port} (${error.message}). ` +
            'Give each process on this machine a port of its own.',
          { cause: error },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function inTime(parts: Promise<ReadinessPart[]>): Promise<ReadinessPart[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ReadinessPart[]>((done) => {
    const detail = `No answer in ${PATIENCE_MS} ms.`;
    timer = setTimeout(() => done([{ name: 'readiness', ok: false, detail }]), PATIENCE_MS);
  });
  try {
    return await Promise.race([parts, late]);
  } finally {
    clearTimeout(timer);
  }
}
