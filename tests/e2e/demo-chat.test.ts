import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startedProduct, type RunningProduct } from '../harness/index.ts';
import { playedDemo } from './played-demo.ts';

/** The states of an answer, in their order. */
const WAY = ['queued', 'accepted', 'sent', 'delivered', 'read'];

describe('npm run demo -- --chat', () => {
  let product: RunningProduct;
  beforeAll(async () => {
    product = await startedProduct();
  }, 240_000);
  afterAll(() => product.remove());

  it('shows both chats: text and a picture in, receipts, and what goes after the window', async () => {
    const { code, stdout, stderr } = await playedDemo('--chat', product.env);
    expect({ code, stderr, stdout }).toMatchObject({ code: 0, stderr: '' });
    for (const chat of ['WhatsApp', 'Messenger']) {
      const part = (title: string) =>
        stdout.split('\n\n').find((step) => step.includes(`${chat}: ${title}`)) ?? '';
      expect(part('a customer writes')).toMatch(
        /Ticket \d+, “Hello! Where is my parcel\? 📦”: open/,
      );
      expect(part('the customer sends a picture')).toMatch(
        /joined the ticket .*sha256 \w{16}… as sent/,
      );
      const answered = part('an agent answers');
      const seen = [...answered.matchAll(/ s {2}(\w+)$/gm)].map(([, state]) => state!);
      expect(seen.at(-1)).toBe('read');
      // The demo looks every 50 ms, so that on a busy machine a state may pass between two looks.
      expect(seen).toEqual(WAY.filter((state) => seen.includes(state)));
      expect(seen.length).toBeGreaterThanOrEqual(3);
      expect(answered).toContain('Ada sees');
      expect(part('after the window')).toMatch(/Refused \(422\): .*window(.*\n)*.* s {2}read/);
    }
  }, 300_000);
});
