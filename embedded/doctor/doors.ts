import { createConnection } from 'node:net';
import { z } from 'zod';
import { findingsOf, reasonOf, type Finding } from './finding.ts';

const PATIENCE_MS = 20_000;

const found = findingsOf('doors');

export interface DoorTargets {
  readonly apiUrl: string;
  readonly smtpHost: string;
  readonly smtpPort: number;
}

/** Whether the API and the mail door answer, and what the API's process says of itself. */
export async function lookAtDoors(target: DoorTargets): Promise<readonly Finding[]> {
  const [api, mail] = await Promise.all([lookAtApi(target.apiUrl), lookAtMailDoor(target)]);
  return [...api, mail];
}

const Readiness = z.object({
  parts: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
});

async function lookAtApi(apiUrl: string): Promise<Finding[]> {
  const ask = (path: string) =>
    fetch(apiUrl + path, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: 'manual' });
  try {
    const health = await ask('/healthz');
    if (health.status !== 200) throw new Error(`it answered ${health.status} to /healthz`);
    const ready = Readiness.parse(await (await ask('/readyz')).json());
    const amiss = ready.parts.filter(({ ok }) => !ok);
    return [
      found.ok('api', `It answers at ${apiUrl}`),
      ...(amiss.length === 0
        ? [found.ok('api ready', `All ${ready.parts.length} parts of its process are ready`)]
        : amiss.map(({ name, detail }) =>
            found.broken(`api ready: ${name}`, {
              detail,
              cure: 'Mend that part; see docs/runbooks.',
            }),
          )),
    ];
  } catch (error) {
    return [
      found.broken('api', {
        detail: `It does not answer at ${apiUrl}: ${causeOf(error)}`,
        cure: 'Start it (`npm start`, or `npm run api`), or mend POSTROOM_HOST, POSTROOM_API_PORT and what lies between.',
      }),
    ];
  }
}

async function lookAtMailDoor({ smtpHost, smtpPort }: DoorTargets): Promise<Finding> {
  const place = `${smtpHost}:${smtpPort}`;
  try {
    const greeting = await greetingOf(smtpHost, smtpPort);
    if (!greeting.startsWith('220')) throw new Error(`it says "${greeting.slice(0, 80)}"`);
    return found.ok('mail door', `It answers at ${place}`);
  } catch (error) {
    return found.broken('mail door', {
      detail: `It does not answer at ${place}: ${reasonOf(error)}`,
      cure: 'Start it (`npm start`, or `npm run api`), or mend POSTROOM_HOST and POSTROOM_SMTP_PORT.',
    });
  }
}

function greetingOf(host: string, port: number): Promise<string> {
  return new Promise((done, fail) => {
    const socket = createConnection({ host, port });
    socket.setTimeout(PATIENCE_MS, () =>
      socket.destroy(new Error(`nothing within ${PATIENCE_MS / 1000} s`)),
    );
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('it closed the connection')));
    socket.once('data', (line: Buffer) => {
      done(line.toString().trim());
      socket.end('QUIT\r\n');
    });
  });
}

/** fetch hides what happened in the cause of its error. */
function causeOf(error: unknown): string {
  return reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}
