import { describe, expect, it } from '@jest/globals';
import { QuotaBudget } from './quota.ts';

describe('the quota’s budget', () => {
  it('lets a minute’s share through at once, and holds what goes beyond it', async () => {
    const budget = new QuotaBudget(10);
    const { signal } = new AbortController();
    const began = Date.now();
    for (let n = 0; n < 5; n++) await budget.spend(2, signal);
    expect(Date.now() - began).toBeLessThan(5000);
    const held = budget.spend(1, AbortSignal.timeout(200));
    await expect(held).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('lets one through that costs more than a whole minute’s share', async () => {
    await new QuotaBudget(10).spend(100, new AbortController().signal);
  });
});
