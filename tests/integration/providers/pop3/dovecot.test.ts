import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprintOf, summaryOf } from '../../../../providers/pop3/cursor.ts';
import { pop3 } from '../../../../providers/pop3/provider.ts';
import { Pop3Session } from '../../../../providers/pop3/session.ts';
import { describeWith, dovecot, eventually, type Dovecot } from '../../../harness/index.ts';
import { providerCall } from '../call.ts';
import { wrongSettings } from '../wrong-settings.ts';
import { meddlingProxy } from '../meddling-proxy.ts';
import { mail, Mailbox, numbered, subjects } from './mailbox.ts';

jest.setTimeout(240_000);

describeWith('dovecot', 'POP3 against Dovecot', () => {
  let server: Dovecot;
  let box: Mailbox;
  let count = 0;
  const users = Array.from({ length: 40 }, (_, index) => ({
    username: `box${index}@example.test`,
    password: 'secret',
  }));
  beforeAll(async () => {
    server = await dovecot(users);
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    box = new Mailbox(server, users[count++]!.username);
  });

  /** Another client that holds the mailbox. */
  async function otherClient(): Promise<Pop3Session> {
    const tls = { rejectUnauthorized: false };
    const address = { address: server.host, servername: undefined, tls };
    const port = server.ports.pop3;
    const session = new Pop3Session({ ...address, port, security: 'none' }, 10_000);
    await session.connect();
    await session.login(box.user, 'secret');
    return session;
  }

  it.each([
    ['tls', 'pop3s'],
    ['starttls', 'pop3'],
    ['none', 'pop3'],
  ] as const)('reads with security %s', async (security, port) => {
    box.deliver(1, 3);
    const given = box.settings({ security, port: server.ports[port] });
    expect(subjects((await box.drain(null, given)).items)).toEqual(numbered(1, 3));
    expect(await pop3.validate!(providerCall(given))).toMatchObject({ ok: true, problems: [] });
  });

  it('hands over every byte as it is on the server', async () => {
    const bodies = [
      '.\r\n..\r\n.end\r\n',
      '',
      '\xe4\xf6\xfc\x80\xff\r\n',
      `${'x'.repeat(70_000)}\r\n.\r\nlast`,
      '.\r\n'.repeat(60_000),
    ];
    for (const [n, body] of bodies.entries())
      server.deliver(box.user, Buffer.from(mail(`mail-${n}`, body), 'latin1'));
    const { items } = await box.drain(null);
    const lineEnded = (text: string) => (text.endsWith('\r\n') ? text : `${text}\r\n`);
    for (const [n, body] of bodies.entries())
      expect((items[n]!.source as Buffer).toString('latin1')).toBe(
        lineEnded(mail(`mail-${n}`, body)),
      );
  });

  it('says which step of a trial failed, in plain words', async () => {
    await wrongSettings(pop3.validate!, (more) => box.settings(more)).areTold(server.ports.pop3);
  });

  it('deletes after storing, never before, and what was not stored whole stays', async () => {
    box.deliver(1, 4);
    server.deliver(box.user, mail('large', 'x'.repeat(20_000)));
    box.deliver(5, 6);
    const given = box.settings({ after: 'delete', batch_size: 2 });
    const seen: number[] = [];
    const { items, cursor } = await box.drain(null, given, { maxBytes: 10_000 }, async (batch) => {
      seen.push(box.left().length);
      await batch.stored?.();
    });
    expect(subjects(items)).toEqual([...numbered(1, 4), 'large', ...numbered(5, 6)]);
    expect(seen).toEqual([...seen.slice(1).map(() => 7), 1]);
    expect(items[4]).toMatchObject({ meta: { oversize: true, size: expect.any(Number) } });
    expect((items[4]!.source as Buffer).toString()).not.toContain('xxx');
    expect(box.left()).toEqual(['large']);
    expect(cursor).not.toHaveProperty('unsettled');
    expect((await box.drain(cursor, given)).items).toEqual([]);
    expect(box.left()).toEqual(['large']);
  });

  it('deletes the next time what a crash after storing left, and brings it no second time', async () => {
    box.deliver(1, 3);
    const given = box.settings({ after: 'delete' });
    // As where the process ends right after the transaction.
    const crash = new AbortController();
    const crashed = box.drain(null, given, { signal: crash.signal }, async (batch) => {
      kept = JSON.parse(JSON.stringify(batch.cursor));
      crash.abort(new Error('killed'));
    });
    let kept: unknown;
    await expect(crashed).rejects.toThrow('killed');
    expect(box.left()).toHaveLength(3);
    box.deliver(4, 4);
    const { items, cursor } = await box.drain(kept, given);
    expect(subjects(items)).toEqual(['mail-4']);
    expect(box.left()).toEqual([]);
    expect(cursor).not.toHaveProperty('unsettled');
  });

  it('deletes again what a session marked that never ended in order', async () => {
    box.deliver(1, 3);
    const given = box.settings({ after: 'delete' });
    const crash = new AbortController();
    let kept: unknown;
    const crashed = box.drain(null, given, { signal: crash.signal }, async (batch) => {
      await batch.stored!();
      kept = JSON.parse(JSON.stringify(batch.cursor));
      crash.abort(new Error('killed'));
    });
    await expect(crashed).rejects.toThrow('killed');
    await eventually(async () => {
      (await otherClient()).destroy(); // the lock is free again
      expect(box.left()).toHaveLength(3);
    });
    expect((await box.drain(kept, given)).items).toEqual([]);
    expect(box.left()).toEqual([]);
  });

  it('goes on where a connection broke off, within one look, and reads nothing twice', async () => {
    box.deliver(1, 40, 'x'.repeat(3000));
    let bytes = 0;
    const proxy = await meddlingProxy(server.ports.pop3, (chunk, connection) => {
      bytes += chunk.length;
      return bytes > 40_000 * (connection + 1) ? 'cut' : chunk;
    });
    try {
      const given = box.settings({ security: 'none', port: proxy.port, batch_size: 5 });
      const { items, cursor } = await box.drain(null, given);
      expect(subjects(items)).toEqual(numbered(1, 40));
      expect(proxy.connections()).toBeGreaterThan(2);
      expect(cursor).not.toHaveProperty('stuck');
      expect((await box.drain(cursor)).items).toEqual([]);
    } finally {
      await proxy.close();
    }
  });

  it('takes the headers of a mail at which the connection always breaks, and those behind it whole', async () => {
    box.deliver(1, 2);
    server.deliver(box.user, mail('poison', 'POISON\r\n'));
    box.deliver(3, 4);
    const proxy = await meddlingProxy(server.ports.pop3, (chunk) =>
      chunk.includes('POISON') ? 'cut' : chunk,
    );
    try {
      const given = box.settings({ security: 'none', port: proxy.port });
      const { items } = await box.drain(null, given);
      expect(subjects(items)).toEqual([...numbered(1, 4), 'poison']);
      expect(items[4]!.meta).toMatchObject({ unreadable: expect.stringContaining('breaks off') });
    } finally {
      await proxy.close();
    }
  });

  it('takes no mail for unreadable where the server breaks off at every one', async () => {
    box.deliver(1, 3);
    const proxy = await meddlingProxy(server.ports.pop3, (chunk) =>
      chunk.includes('Subject: ') ? 'cut' : chunk,
    );
    let kept: unknown = null;
    try {
      const given = box.settings({ security: 'none', port: proxy.port });
      for (let look = 0; look < 3; look++) {
        const looking = box.drain(kept, given, {}, async ({ items, cursor }) => {
          expect(items).toEqual([]);
          kept = cursor;
        });
        await expect(looking).rejects.toMatchObject({ class: 'retry' });
      }
    } finally {
      await proxy.close();
    }
    expect(subjects((await box.drain(kept)).items).sort()).toEqual(numbered(1, 3));
  });

  it('waits for a mailbox that another client holds', async () => {
    box.deliver(1, 1);
    const { cursor } = await box.drain(null);
    const other = await otherClient();
    box.deliver(2, 2);
    // Dovecot itself waits a while for the lock before it says so.
    const patient = { timeoutMs: 60_000 };
    await expect(box.drain(cursor, box.settings(), patient)).rejects.toMatchObject({
      class: 'wait',
      code: 'pop3.locked',
      retryAfterMs: expect.any(Number),
      message: expect.stringContaining('in use by another client'),
    });
    const given = box.settings();
    const call = providerCall({ ...given, poll_seconds: 0.3 });
    const waiting = pop3.mailbox!.wait!(call, 'INBOX', cursor, Date.now() + 60_000);
    await sleep(500);
    await other.QUIT();
    other.destroy();
    expect(await waiting).toBe('mail');
    expect(subjects((await box.drain(cursor)).items)).toEqual(['mail-2']);
  }, 180_000);

  it('asks the store about the neighbours of a mail that others deleted, and reads none again', async () => {
    const stored: string[] = [];
    let cursor: unknown = null;
    // The server makes the ids up, and they say where a block ends: until one of two mails at least has ended.
    const endsBlock = (id: string) =>
      summaryOf([fingerprintOf(id.slice(id.indexOf('/') + 1))]).blocks !== '';
    const end = () =>
      stored.findIndex((id, at) => at > 0 && endsBlock(id) && !endsBlock(stored[at - 1]!));
    while (end() === -1) {
      box.deliver(stored.length + 1, stored.length + 100);
      const drained = await box.drain(cursor);
      stored.push(...drained.items.map((item) => item.providerMessageId));
      cursor = drained.cursor;
    }
    const other = await otherClient();
    await other.DELE(end());
    await other.QUIT();
    const last = stored.length;
    box.deliver(last + 1, last + 2);
    const asked: string[] = [];
    const known = (ids: readonly string[]) => {
      asked.push(...ids);
      return Promise.resolve(new Set(ids.filter((id) => stored.includes(id))));
    };
    const second = await box.drain(cursor, box.settings(), { known });
    expect(subjects(second.items)).toEqual(numbered(last + 1, last + 2));
    expect(asked).toContain(stored[end()]);
    const third = await box.drain(second.cursor, box.settings(), { known: undefined });
    expect(third.items).toEqual([]);
  });

  it('walks the mailbox anew where the server gave all mails other ids', async () => {
    box.deliver(1, 5);
    const { items, cursor } = await box.drain(null);
    await sleep(1100); // UIDVALIDITY is a time in seconds
    await server.renumber(box.user);
    const again = await box.drain(cursor);
    expect(subjects(again.items)).toEqual(numbered(1, 5));
    const ids = [...items, ...again.items].map((item) => item.providerMessageId);
    expect(new Set(ids).size).toBe(10);
    expect((await box.drain(again.cursor)).items).toEqual([]);
  });

  it('takes mail since import_since, by the time the server took it, else by its date', async () => {
    const received = (date: string) =>
      `Received: from x (x [192.0.2.1]) by mx;\r\n\t${date} (UTC)\r\nReceived: from y by x; Wed, 1 Jan 2020 00:00:00 +0000\r\n`;
    const old = 'Mon, 2 Jun 2025 10:00:00 +0200';
    const young = 'Wed, 2 Jul 2025 10:00:00 +0200';
    for (const [subject, headers] of [
      ['old', received(old)],
      ['old though dated young', `${received(old)}Date: ${young}\r\n`],
      ['dated old', `Date: ${old}\r\n`],
      ['young', received(young)],
      ['young though dated old', `${received(young)}Date: ${old}\r\n`],
      ['dated young', `Date: ${young}\r\n`],
      ['undated', ''],
    ] as const)
      server.deliver(box.user, mail(subject, 'Hello\r\n', headers));
    const given = box.settings({ import_since: '2025-06-15' });
    const { items, cursor, batches } = await box.drain(null, given);
    expect(subjects(items)).toEqual(['young', 'young though dated old', 'dated young', 'undated']);
    expect(items[0]!.receivedAt).toEqual(new Date(young));
    expect(batches[0]!.progress).toEqual({ done: 7, total: 7 });
    // What comes later is new, whatever its sender says of the time.
    server.deliver(box.user, mail('late', 'Hello\r\n', `Date: ${old}\r\n`));
    expect(subjects((await box.drain(cursor, given)).items)).toEqual(['late']);
  });

  it('takes nothing that was there before the channel was, by default', async () => {
    const at = (date: Date) => `Received: by mx; ${date.toUTCString()}\r\n`;
    const createdAt = new Date();
    const channel = { ...providerCall({}).channel, createdAt };
    server.deliver(box.user, mail('before', '', at(new Date(createdAt.getTime() - 3_600_000))));
    server.deliver(box.user, mail('after', '', at(new Date(createdAt.getTime() + 1000))));
    const given = box.settings({ import_since: 'now' });
    expect(subjects((await box.drain(null, given, { channel })).items)).toEqual(['after']);
  });
});
