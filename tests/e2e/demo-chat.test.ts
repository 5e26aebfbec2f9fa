import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startedProduct, type RunningProduct } from '../harness/index.ts';
import { playedDemo } from './played-demo.ts';

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
      expect(part('an agent answers')).toMatch(/ s {2}accepted\n(.*\n)*.* s {2}read\n.*Ada sees/);
      expect(part('after the window')).toMatch(/Refused \(422\): .*window(.*\n)*.* s {2}read/);
    }
  }, 300_000);
});
