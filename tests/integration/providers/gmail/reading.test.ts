import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { gmail } from '../../../../providers/gmail/provider.ts';
import {
  createGmailSimulator,
  type GmailSimulator,
} from '../../../../simulators/gmail/simulator.ts';
import { drain, gmailFixture, type Fixture } from './fixture.ts';

jest.setTimeout(240_000);

describe('a Gmail account', () => {
  let simulator: GmailSimulator;
  let at: Fixture;
  beforeAll(async () => {
    simulator = await createGmailSimulator();
  });
  afterAll(async () => {
    expect(simulator.violations).toEqual([]);
    await simulator.close();
  });
  beforeEach(async () => {
    at = await gmailFixture(simulator);
  });

  const deliver = (from: number, to: number, delivery = {}) => {
    const messages = [];
    for (let n = from; n <= to; n++)
      messages.push(at.account.mailbox.deliver(at.mail(n), delivery));
    return messages;
  };

  it('is read by its history: new mail once, byte for byte, at the time Gmail received it', async () => {
    const { cursor } = await drain(at.call(), null);
    const raw = Buffer.from([...Buffer.from(at.mail(1)), 0xff, 0x00, 0x0d, 0x0a]);
    const time = new Date('2026-03-01T10:00:00.123Z');
    const message = at.account.mailbox.deliver(raw, { at: time });
    const { items, cursor: after } = await drain(at.call(), cursor);
    expect(items).toMatchObject([
      {
        providerMessageId: message.id,
        receivedAt: time,
        meta: { thread_id: message.threadId, label_ids: ['INBOX', 'UNREAD', 'CATEGORY_PERSONAL'] },
      },
    ]);
    expect((items[0]!.source as Buffer).equals(raw)).toBe(true);
    expect((await drain(at.call(), after)).batches).toEqual([]);
  });

  it('imports from a date, oldest first, with progress, and goes on by history', async () => {
    deliver(1, 3, { at: new Date('2024-05-01') });
    deliver(4, 10, { at: new Date('2025-05-01') });
    const given = at.call({ import_since: '2025-01-01', batch_size: 3 });
    const first = await drain(given, null);
    expect(first.subjects).toEqual([4, 5, 6, 7, 8, 9, 10].map((n) => `mail-${n}`));
    expect(first.batches.map(({ progress }) => progress)).toEqual([
      { done: 3, total: 7 },
      { done: 6, total: 7 },
      { done: 7, total: 7 },
    ]);
    deliver(11, 12);
    expect((await drain(given, first.cursor)).subjects).toEqual(['mail-11', 'mail-12']);
  });

  it('imports from now: what came since the channel was made, and nothing older', async () => {
    deliver(1, 2, { at: new Date(Date.now() - 60_000) });
    const given = at.call({ import_since: 'now' });
    deliver(3, 3);
    expect((await drain(given, null)).subjects).toEqual(['mail-3']);
  });

  it('misses nothing that comes while it is listed, whatever the order of ids', async () => {
    const ids = ['5', 'f', '1', 'a', '9', '3'].map((digit) => digit.repeat(16));
    ids.forEach((id, index) => at.account.mailbox.deliver(at.mail(index), { id }));
    const given = at.call({ batch_size: 2 });
    const taken: string[] = [];
    let n = 100;
    for await (const batch of gmail.mailbox!.fetch(given, 'mail', null)) {
      taken.push(...batch.items.map(({ providerMessageId }) => providerMessageId));
      if (n < 103) at.account.mailbox.deliver(at.mail(n), { id: String(n++).padStart(16, '0') });
    }
    const all = at.account.mailbox.messages.map(({ id }) => id);
    expect(taken.toSorted()).toEqual(all.toSorted());
  });

  it('leaves out drafts, what the account sent, spam, trash and chats, and takes what is moved out of spam', async () => {
    const { mailbox } = at.account;
    mailbox.deliver(at.mail(1), { labels: ['DRAFT'] });
    mailbox.deliver(at.mail(2), { labels: ['SENT'] });
    mailbox.deliver(at.mail(3), { labels: ['SENT', 'INBOX'] }); // written to oneself
    const spam = mailbox.deliver(at.mail(4), { labels: ['SPAM'] });
    mailbox.deliver(at.mail(5), { labels: ['TRASH'] });
    mailbox.deliver(at.mail(6), { labels: ['CHAT'] });
    deliver(7, 7);
    const first = await drain(at.call(), null);
    expect(first.subjects).toEqual(['mail-7']);
    const all = await drain(at.call({ labels: [] }), null);
    expect(all.subjects).toEqual(['mail-7']);
    mailbox.deliver(at.mail(8), { labels: ['SPAM'] });
    mailbox.deliver(at.mail(9), { labels: ['SENT', 'INBOX'] });
    mailbox.label(spam.id, ['INBOX'], ['SPAM']);
    expect((await drain(at.call(), first.cursor)).subjects).toEqual(['mail-4']);
    expect((await drain(at.call({ labels: [] }), all.cursor)).subjects).toEqual(['mail-4']);
  });

  it('skips what is deleted or thrown away before it is read', async () => {
    const { cursor } = await drain(at.call(), null);
    const [first, second] = deliver(1, 3);
    at.account.mailbox.delete(first!.id);
    at.account.mailbox.label(second!.id, ['TRASH'], ['INBOX']);
    const { subjects, cursor: after } = await drain(at.call(), cursor);
    expect(subjects).toEqual(['mail-3']);
    expect((await drain(at.call(), after)).batches).toEqual([]);
  });

  // Edge case 41: label filter; the same message in several labels.
  it('41: reads the labels it is told, by name or id, and a mail in several of them once', async () => {
    const { mailbox } = at.account;
    const support = mailbox.addLabel('Support/EU team');
    const vip = mailbox.addLabel('VIP');
    const given = at.call({ labels: ['support/eu team', vip] });
    mailbox.deliver(at.mail(1), { labels: ['INBOX'] });
    mailbox.deliver(at.mail(2), { labels: ['INBOX', support] });
    mailbox.deliver(at.mail(3), { labels: [support, vip] });
    const first = await drain(given, null);
    expect(first.subjects).toEqual(['mail-2', 'mail-3']);
    const late = mailbox.deliver(at.mail(4), { labels: ['INBOX'] });
    mailbox.deliver(at.mail(5), { labels: [vip, support] });
    mailbox.label(late.id, [support]);
    mailbox.label(late.id, [vip]);
    const next = await drain(given, first.cursor);
    expect(next.subjects).toEqual(['mail-5', 'mail-4']);
    await expect(drain(at.call({ labels: ['Nowhere'] }), null)).rejects.toMatchObject({
      code: 'gmail.label_missing',
      class: 'give_up',
    });
  });

  // Edge case 41: historyId expired (404) → list resync.
  it('41: looks at all mail where the history is gone: nothing is lost, and nothing read twice', async () => {
    const { mailbox } = at.account;
    deliver(1, 4, { at: new Date('2025-01-05') });
    const spam = mailbox.deliver(at.mail(5), { labels: ['SPAM'], at: new Date('2025-01-06') });
    const first = await drain(at.call(), null);
    expect(first.ids).toHaveLength(4);
    const later = await drain(at.call(), first.cursor);
    deliver(6, 8);
    mailbox.label(spam.id, ['INBOX'], ['SPAM']);
    mailbox.expireHistory();
    const stored = new Set([...first.ids, ...later.ids]);
    const known = (ids: readonly string[]) =>
      Promise.resolve(new Set(ids.filter((id) => stored.has(id))));
    const units = at.account.quota.total;
    const resync = await drain(at.call({ batch_size: 2 }, { known }), later.cursor);
    expect(at.account.quota.total - units).toBe(2 + 1 + 5 + 4 * 5 + 2); // history, profile, list, mails, history
    expect(resync.subjects).toEqual(['mail-5', 'mail-6', 'mail-7', 'mail-8']);
    deliver(9, 9);
    expect((await drain(at.call(), resync.cursor)).subjects).toEqual(['mail-9']);
  });

  it('41: goes on with a look at all mail after any of its batches', async () => {
    deliver(1, 2);
    const { cursor } = await drain(at.call(), null);
    deliver(3, 9);
    at.account.mailbox.expireHistory();
    const given = at.call({ batch_size: 2 });
    const whole = await drain(given, cursor);
    for (const [index, batch] of whole.batches.entries()) {
      const rest = whole.batches.slice(index + 1).flatMap(({ items }) => items);
      const kept: unknown = JSON.parse(JSON.stringify(batch.cursor));
      const again = await drain(given, kept);
      expect(again.ids).toEqual(rest.map(({ providerMessageId }) => providerMessageId));
    }
  });

  it('starts anew where another account was connected', async () => {
    deliver(1, 2);
    const { cursor } = await drain(at.call(), null);
    const other = await gmailFixture(simulator);
    other.account.mailbox.deliver(other.mail(50));
    other.account.mailbox.expireHistory();
    expect((await drain(other.call(), cursor)).subjects).toEqual(['mail-50']);
  });

  it('takes only the headers of a mail beyond the limit, and says so', async () => {
    const { cursor } = await drain(at.call(), null);
    deliver(1, 1);
    at.account.mailbox.deliver(at.mail(2) + 'x'.repeat(3_000_000));
    deliver(3, 3);
    const { items, subjects } = await drain(at.call({}, { maxBytes: 100_000 }), cursor);
    expect(subjects).toEqual(['mail-1', 'mail-2', 'mail-3']);
    expect(items.map(({ meta }) => meta?.oversize)).toEqual([undefined, true, undefined]);
    expect(items[1]!.meta).toMatchObject({ size: expect.any(Number) });
    expect((items[1]!.source as Buffer).length).toBeLessThan(500);
  });

  it('sets a mail aside that Gmail can’t give, and reads those behind it', async () => {
    const { cursor } = await drain(at.call(), null);
    const [, bad] = deliver(1, 3);
    at.account.unreadable.add(bad!.id);
    const { items, subjects } = await drain(at.call(), cursor);
    expect(subjects).toEqual(['mail-1', 'mail-2', 'mail-3']);
    expect(items[1]!.meta).toMatchObject({ unreadable: expect.stringContaining('Internal error') });
  });

  it('asks little: 100 new mails cost 6 requests and 502 units, an idle look one request', async () => {
    const { cursor } = await drain(at.call(), null);
    deliver(1, 100);
    const asked = simulator.requests.length;
    const units = at.account.quota.total;
    const { items, cursor: after } = await drain(at.call(), cursor);
    expect(items).toHaveLength(100);
    const calls = simulator.requests.slice(asked).filter(({ path }) => path !== '/token');
    expect(calls).toHaveLength(6);
    expect(at.account.quota.total - units).toBe(502);
    await drain(at.call(), after);
    const idle = simulator.requests.slice(asked + calls.length + 1);
    expect(idle.filter(({ path }) => path !== '/token')).toHaveLength(1);
  });

  it('waits where Gmail’s quota is spent, and says for how long', async () => {
    const { cursor } = await drain(at.call(), null);
    deliver(1, 20);
    at.account.quota.limit = at.account.quota.total + 30;
    const pauses: Date[] = [];
    const limits = {
      slot: <T>(_most: number, work: () => Promise<T>) => work(),
      pause: (until: Date) => Promise.resolve(void pauses.push(until)),
    };
    await expect(drain(at.call({}, { limits }), cursor)).rejects.toMatchObject({
      code: 'gmail.too_many',
      class: 'wait',
      retryAfterMs: 30_000,
    });
    expect(pauses.length).toBeGreaterThan(0);
  });
});
