import { describe, expect, it } from '@jest/globals';
import { simulators } from './registry.ts';

describe.each(Object.entries(simulators))('npm run simulator -- %s', (name, load) => {
  it('starts it on a free port, says how to point a channel to it, and ends it whole', async () => {
    const startable = await load();
    expect(startable.name).toBe(name);
    const { url, pointing, close } = await startable.start(0);
    const control = await fetch(`${url}/_control`);
    expect(await control.json()).toMatchObject({
      name,
      url,
      held_against: expect.any(String),
      requests: 0,
      violations: 0,
    });
    expect(pointing.join('\n')).toMatch(/settings|client_id/);
    await close();
    await expect(fetch(`${url}/_control`)).rejects.toThrow();
  });

  it('fails as it is told to', async () => {
    const { url, close } = await (await load()).start(0);
    const told = await fetch(`${url}/_control/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'too_many', retry_after_seconds: 3 }),
    });
    expect(told.status).toBe(204);
    const answer = await fetch(`${url}/anything`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '3']);
    await answer.arrayBuffer();
    await close();
  });
});
