import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { pop3 } from '../../../../providers/pop3/provider.ts';
import { describeWith, dovecot, type Dovecot } from '../../../harness/index.ts';
import { providerCall } from '../call.ts';
import { mail, Mailbox } from './mailbox.ts';

// In full, with what it measured: POSTROOM_POP3_MAILS=50000 POSTROOM_POP3_MEASURED=pop3.json npm test -- …/pop3/large

const COUNT = Number(process.env['POSTROOM_POP3_MAILS'] ?? 2000);
const MINUTES = 60_000;
jest.setTimeout(30 * MINUTES);

describeWith('dovecot', `a POP3 mailbox of ${COUNT} mails`, () => {
  let server: Dovecot;
  beforeAll(async () => {
    server = await dovecot([{ username: 'large@example.test', password: 'secret' }]);
  });
  afterAll(() => server.stop());

  it('is read once, in bounded memory, with a small cursor, and costs one listing from then on', async () => {
    const box = new Mailbox(server, 'large@example.test');
    const body = `${'x'.repeat(70)}\r\n`.repeat(60);
    for (let n = 0; n < COUNT; n++) server.deliver(box.user, mail(`mail-${n}`, body));
    const call = providerCall(box.settings(), { timeoutMs: 5 * MINUTES });

    const ids = new Set<string>();
    let [cursor, largest, before, peak]: [unknown, number, number, number] = [null, 0, memory(), 0];
    const started = Date.now();
    for await (const batch of pop3.mailbox!.fetch(call, 'INBOX', null)) {
      for (const item of batch.items) ids.add(item.providerMessageId);
      cursor = JSON.parse(JSON.stringify(batch.cursor));
      largest = Math.max(largest, JSON.stringify(batch.cursor).length);
      peak = Math.max(peak, memory());
    }
    const firstMs = Date.now() - started;
    expect(ids.size).toBe(COUNT);
    // Of blocks eight bytes; of those after the last cut each id: the server makes the ids up, and cuts at one in 64 of them.
    expect(largest).toBeLessThan(14_000 + COUNT / 4);

    server.deliver(box.user, mail('new'));
    const again = Date.now();
    const { items } = await box.drain(cursor, box.settings(), { timeoutMs: 5 * MINUTES });
    const againMs = Date.now() - again;
    expect(items).toHaveLength(1);
    expect(peak - before).toBeLessThan(200 * 1024 * 1024);
    const measured = { firstMs, againMs, cursorBytes: largest, memoryBytes: peak - before };
    const file = process.env['POSTROOM_POP3_MEASURED'];
    if (file !== undefined) writeFileSync(file, JSON.stringify({ COUNT, ...measured }));
  });
});

/** Heap and buffers, in bytes. */
function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
