import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FetchedItem } from '../../../providers/contract.ts';
import { ImapSettings } from '../../../providers/imap/manifest.ts';
import { imap } from '../../../providers/imap/provider.ts';
import { describeWith, dovecot, type Dovecot } from '../../harness/index.ts';
import { providerCall } from './call.ts';
import { meddlingProxy, type MeddlingProxy } from './meddling-proxy.ts';

jest.setTimeout(240_000);
const users = Array.from({ length: 12 }, (_, index) => ({
  username: `box${index}@example.test`,
  password: 'secret',
}));

describeWith('dovecot', 'IMAP servers that can do less, or misbehave', () => {
  let server: Dovecot;
  let user: string;
  let proxy: MeddlingProxy;
  let count = 0;

  beforeAll(async () => {
    server = await dovecot(users);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    user = users[count++]!.username;
    await proxy?.close();
  });
  afterAll(() => proxy.close());

  const call = (more: object = {}, timeoutMs = 3000) =>
    providerCall(
      ImapSettings.parse({
        host: server.host,
        port: proxy.port,
        security: 'none',
        username: user,
        password: 'secret',
        import_since: '2020-01-01',
        ...more,
      }),
      { timeoutMs },
    );

  const deliver = (from: number, to: number, body = 'Hello\r\n') => {
    for (let n = from; n <= to; n++)
      server.deliver(user, `Message-ID: <${n}@x.test>\r\nSubject: mail-${n}\r\n\r\n${body}`);
  };

  async function drain(cursor: unknown, given = call()) {
    const items: FetchedItem[] = [];
    let last = cursor;
    for await (const batch of imap.mailbox!.fetch(given, 'INBOX', cursor)) {
      items.push(...batch.items);
      last = JSON.parse(JSON.stringify(batch.cursor));
      await batch.stored?.();
    }
    return { items, cursor: last };
  }

  const without = (...capabilities: string[]) =>
    meddlingProxy(server.ports.imap, (chunk) =>
      Buffer.from(
        capabilities.reduce(
          (text, name) => text.replaceAll(new RegExp(` ${name}(?=[ \\]\\r])`, 'g'), ''),
          chunk.toString('latin1'),
        ),
        'latin1',
      ),
    );

  it.each(['seen', 'move', 'delete'] as const)(
    'settles mails with after: %s without UIDPLUS, MOVE and CONDSTORE',
    async (after) => {
      proxy = await without('UIDPLUS', 'MOVE', 'CONDSTORE', 'QRESYNC', 'ENABLE', 'ESEARCH', 'IDLE');
      server.deliver(user, 'Subject: x\r\n\r\n', { folder: 'Done' });
      deliver(1, 5);
      const given = call({ after, ...(after === 'move' && { move_to: 'Done' }) });
      const { items, cursor } = await drain(null, given);
      expect(items).toHaveLength(5);
      const flags = server.stored(user).map((stored) => stored.flags);
      // Not expunged: that would take what other clients have marked, too.
      expect(flags).toEqual(Array(5).fill(after === 'seen' ? 'S' : 'T'));
      expect(server.stored(user, 'Done')).toHaveLength(after === 'move' ? 6 : 1);
      deliver(6, 6);
      expect((await drain(cursor, given)).items).toHaveLength(1);
    },
  );

  it('looks every poll interval where there is no IDLE', async () => {
    proxy = await without('IDLE');
    const { cursor } = await drain(null);
    const given = call();
    const often = { ...given, settings: { ...given.settings, poll_seconds: 1 } };
    const waiting = imap.mailbox!.wait!(often, 'INBOX', cursor, Date.now() + 20_000);
    await sleep(1500);
    deliver(1, 1);
    const delivered = Date.now();
    expect(await waiting).toBe('mail');
    expect(Date.now() - delivered).toBeLessThan(20_000);
  });

  it('finds mail that an IDLE did not tell of, at the poll interval', async () => {
    proxy = await meddlingProxy(server.ports.imap, (chunk) =>
      /^\* \d+ (EXISTS|RECENT)\r\n/.test(String(chunk))
        ? Buffer.from('* OK still here\r\n')
        : chunk,
    );
    const { cursor } = await drain(null);
    const given = call();
    const often = { ...given, settings: { ...given.settings, poll_seconds: 2 } };
    const waiting = imap.mailbox!.wait!(often, 'INBOX', cursor, Date.now() + 20_000);
    await sleep(500);
    deliver(1, 1);
    expect(await waiting).toBe('mail');
  });

  it('goes on from the cursor when the connection is cut in the middle of a mail', async () => {
    let bytes = 0;
    proxy = await meddlingProxy(server.ports.imap, (chunk, connection) => {
      bytes += chunk.length;
      return connection === 0 && bytes > 700_000 ? 'cut' : chunk;
    });
    deliver(1, 20, `${'z'.repeat(998)}\r\n`.repeat(100));
    const given = call({ batch_size: 2 });
    const got: FetchedItem[] = [];
    let kept: unknown = null;
    const cut = async () => {
      for await (const batch of imap.mailbox!.fetch(given, 'INBOX', null)) {
        got.push(...batch.items);
        kept = JSON.parse(JSON.stringify(batch.cursor));
      }
    };
    await expect(cut()).rejects.toMatchObject({ code: 'imap.connection_lost', class: 'retry' });
    expect(got.length).toBeGreaterThan(0);
    got.push(...(await drain(kept, given)).items);
    expect(got.map((item) => (item.source as Buffer).length)).toEqual(
      Array.from(
        { length: 20 },
        (_, n) =>
          100_000 + `Message-ID: <${n + 1}@x.test>\r\nSubject: mail-${n + 1}\r\n\r\n`.length,
      ),
    );
    expect(new Set(got.map((item) => item.providerMessageId)).size).toBe(20);
  });

  it('sets a mail aside that the server can’t give, and reads those behind it', async () => {
    proxy = await meddlingProxy(server.ports.imap, (chunk) => {
      const text = chunk.toString('latin1');
      return text.includes('mail-3\r\n') && text.includes('Hello') ? refusing(text) : chunk;
    });
    deliver(1, 5);
    const { items } = await drain(null);
    expect(items.map((item) => item.meta?.unreadable !== undefined)).toEqual([
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(String(items[2]!.source as Buffer)).toContain('mail-3');
  });

  it.each([
    ['NO [UNAVAILABLE] the store is away', 'wait'],
    ['NO [ALERT] Too many simultaneous connections for ada@x.test', 'wait'],
    ['NO [AUTHENTICATIONFAILED] wrong password of ada@x.test', 'reauthenticate'],
    ['NO Login failed', 'reauthenticate'],
  ])('meets a login answered with "%s" as %s, without naming anybody', async (answer, expected) => {
    proxy = await meddlingProxy(server.ports.imap, (chunk) => {
      const tagged = /^(\w+) OK .*Logged in/m.exec(String(chunk));
      return tagged ? Buffer.from(`${tagged[1]} ${answer}\r\n`) : chunk;
    });
    const failure: unknown = await drain(null).catch((error: unknown) => error);
    expect(failure).toMatchObject({ class: expected });
    expect((failure as Error).message).not.toContain('ada@x.test');
  });

  it('gives up on a server that takes the connection and says nothing', async () => {
    proxy = await meddlingProxy(server.ports.imap, () => Buffer.alloc(0));
    const started = Date.now();
    await expect(drain(null, call({}, 1000))).rejects.toMatchObject({ class: 'retry' });
    expect(Date.now() - started).toBeLessThan(30_000);
  });
});

/** The answer to a FETCH, turned into a refusal. */
function refusing(text: string): Buffer {
  const tag = /^(\w+) OK Fetch/m.exec(text)?.[1];
  return Buffer.from(
    tag === undefined ? text : `${tag} NO [SERVERBUG] this mail is broken\r\n`,
    'latin1',
  );
}
