import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../embedded/ports.ts';
import type { ReadinessPart } from '../api/deps.ts';
import { startMonitor, type Monitor } from './monitor.ts';

const FINE: ReadinessPart = { name: 'database', ok: true, detail: '' };
const AMISS: ReadinessPart = { name: 'temporal', ok: false, detail: 'Start Temporal.' };

describe('the monitor of a process', () => {
  let monitor: Monitor | undefined;
  afterEach(() => monitor?.close());

  async function started(readiness: () => Promise<ReadinessPart[]>): Promise<string> {
    const port = await freePort();
    monitor = await startMonitor({ host: '127.0.0.1', port }, readiness);
    return `http://127.0.0.1:${port}`;
  }

  it('says 503 and names the part that is not ready, while the process lives', async () => {
    const url = await started(() => Promise.resolve([FINE, AMISS]));
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({ status: 'not ready', parts: [FINE, AMISS] });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('does not wait for a part that never answers', async () => {
    const url = await started(() => new Promise(() => undefined));
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('No answer')]);
  }, 240_000);

  it('names the variable where its port is taken', async () => {
    const url = await started(() => Promise.resolve([]));
    const port = Number(new URL(url).port);
    const second = startMonitor({ host: '127.0.0.1', port }, () => Promise.resolve([]));
    await expect(second).rejects.toThrow(/POSTROOM_METRICS_PORT.*port of its own/);
  });
});
