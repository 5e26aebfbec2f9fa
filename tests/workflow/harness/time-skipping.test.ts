import { expect, it } from '@jest/globals';
import { describeWith, timeSkipping } from '../../harness/index.ts';

describeWith('time-skipping', 'the time-skipping server', () => {
  it('passes seven days in seconds', async () => {
    const environment = await timeSkipping();
    try {
      const from = await environment.currentTimeMs();
      await environment.sleep('7 days');
      expect((await environment.currentTimeMs()) - from).toBeGreaterThanOrEqual(7 * 86_400_000);
    } finally {
      await environment.teardown();
    }
  }, 240_000);
});
