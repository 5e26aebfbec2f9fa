import { expect, test } from '@jest/globals';
import { createLogger } from '../telemetry/log.ts';
import { listedTemplates } from './graph-templates.ts';

const log = createLogger('fatal');
const request = (query: Readonly<Record<string, string>>) =>
  Promise.resolve({ method: 'GET', url: query['after'] ?? '', headers: {} });

test('a list whose empty pages lead to each other ends with a reason', async () => {
  let pages = 0;
  const list = listedTemplates(
    { log, heartbeat: () => void (pages += 1) },
    {
      request,
      asked: ({ url }, schema) =>
        Promise.resolve(
          schema.parse({
            data: [],
            paging: { next: 'yes', cursors: { after: url === 'a' ? 'b' : 'a' } },
          }),
        ),
    },
  );
  await expect(list.next()).rejects.toMatchObject({ code: 'templates.endless', class: 'give_up' });
  expect(pages).toBe(1_000);
});
