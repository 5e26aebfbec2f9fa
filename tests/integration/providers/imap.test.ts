import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FetchedBatch, FetchedItem } from '../../../providers/contract.ts';
import { ImapSettings } from '../../../providers/imap/manifest.ts';
import { imap } from '../../../providers/imap/provider.ts';
import { describeWith, dovecot, type Dovecot } from '../../harness/index.ts';
import { providerCall } from './call.ts';
import { wrongSettings } from './wrong-settings.ts';

jest.setTimeout(240_000);

describeWith('dovecot', 'IMAP against Dovecot', () => {
  let server: Dovecot;
  let user: string;
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
    user = users[count++]!.username;
  });

  function settings(more: object = {}): ImapSettings {
    return ImapSettings.parse({
      host: server.host,
      port: server.ports.imaps,
      ca: server.ca,
      username: user,
      password: 'secret',
      import_since: '2020-01-01',
      ...more,
    });
  }

  const mail = (subject: string, body = 'Hello\r\n') =>
    `Message-ID: <${subject}@example.test>\r\nFrom: ada@example.test\r\nTo: ${user}\r\nSubject: ${subject}\r\n\r\n${body}`;

  const deliver = (from: number, to: number, options = {}) => {
    for (let n = from; n <= to; n++) server.deliver(user, mail(`mail-${n}`), options);
  };

  async function drain(
    cursor: unknown,
    given = settings(),
    more: Parameters<typeof providerCall<ImapSettings>>[1] = {},
  ): Promise<{ items: FetchedItem[]; cursor: unknown; batches: FetchedBatch[] }> {
    const items: FetchedItem[] = [];
    const batches: FetchedBatch[] = [];
    let last = cursor;
    for await (const batch of imap.mailbox!.fetch(providerCall(given, more), 'INBOX', cursor)) {
      batches.push(batch);
      items.push(...batch.items);
      last = JSON.parse(JSON.stringify(batch.cursor));
      await batch.stored?.();
    }
    return { items, cursor: last, batches };
  }

  const text = ({ source }: FetchedItem) => (source as Buffer).toString(); // whole, at these sizes
  const subjects = (items: readonly FetchedItem[]) =>
    items.map((item) => /^Subject: (.*)\r$/m.exec(text(item))?.[1]);
  const numbered = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `mail-${from + index}`);

  it.each([
    ['tls', 'imaps'],
    ['starttls', 'imap'],
    ['none', 'imap'],
  ] as const)('reads with security %s', async (security, port) => {
    deliver(1, 3);
    const given = settings({ security, port: server.ports[port] });
    const { items } = await drain(null, given);
    expect(subjects(items)).toEqual(numbered(1, 3));
    expect(await imap.validate!(providerCall(given))).toMatchObject({ ok: true, problems: [] });
  });

  it('says which step of a trial failed, in plain words, and names the folders there are', async () => {
    server.deliver(user, mail('x'), { folder: 'Projekte/Ärger & Lob' });
    const wrong = wrongSettings(imap.validate!, settings);
    await wrong.areTold(server.ports.imap);
    expect(await wrong.problem({ folder: 'Supprt' })).toMatchObject({
      step: 'folder',
      detail: expect.stringMatching(/"Supprt".*"INBOX"/s),
    });
    expect(await wrong.problem({ after: 'move', move_to: 'Nirgends' })).toMatchObject({
      step: 'folder',
      pointer: '/settings/move_to',
    });
  });

  it('does not go on in plain where STARTTLS is asked for and not offered', async () => {
    const given = settings({ security: 'starttls', port: server.ports.imaps });
    await expect(drain(null, given, { timeoutMs: 2000 })).rejects.toMatchObject({
      name: 'ProviderFailure',
      class: 'retry',
    });
  });

  it('accepts an unverified certificate only where the settings say so', async () => {
    await expect(drain(null, settings({ ca: undefined }))).rejects.toMatchObject({
      code: 'imap.certificate_refused',
    });
    deliver(1, 1);
    const { items } = await drain(null, settings({ ca: undefined, verify_tls: false }));
    expect(items).toHaveLength(1);
  });

  it('classifies a refused login so that the channel asks for new credentials', async () => {
    await expect(drain(null, settings({ password: 'wrong' }))).rejects.toMatchObject({
      code: 'imap.login_refused',
      class: 'reauthenticate',
    });
  });

  it('imports from a date, oldest first, and tells how far it is', async () => {
    server.deliver(user, mail('old'), { at: new Date('2019-06-01T12:00:00Z') });
    server.deliver(user, mail('just-before'), { at: new Date('2023-04-30T23:00:00Z') });
    server.deliver(user, mail('just-after'), { at: new Date('2023-05-01T00:30:00Z') });
    for (let n = 1; n <= 249; n++)
      server.deliver(user, mail(`mail-${n}`), { at: new Date('2023-05-02T00:00:00Z') });
    const given = settings({ import_since: '2023-05-01' });
    const { items, batches } = await drain(null, given);
    expect(subjects(items)).toEqual(['just-after', ...numbered(1, 249)]);
    expect(batches.map((batch) => batch.items.length)).toEqual([99, 100, 51]);
    const { done, total } = batches.at(-1)!.progress!;
    expect(done).toBe(total);
    expect(batches[0]!.progress!.done).toBeLessThan(total);
  });

  it('imports from now: what came before the channel was made stays out, what came since does not', async () => {
    server.deliver(user, mail('before'), { at: new Date(Date.now() - 60_000) });
    const given = settings({ import_since: 'now' });
    const channel = { ...providerCall(given).channel, createdAt: new Date() };
    server.deliver(user, mail('since'));
    const first = await drain(null, given, { channel });
    expect(subjects(first.items)).toEqual(['since']);
    server.deliver(user, mail('later'));
    expect(subjects((await drain(first.cursor, given, { channel })).items)).toEqual(['later']);
  });

  it('goes on from the kept cursor after the server was killed in mid-import', async () => {
    deliver(1, 300);
    const given = settings({ batch_size: 20 });
    const seen: string[] = [];
    let kept: unknown = null;
    const cut = async () => {
      for await (const batch of imap.mailbox!.fetch(providerCall(given), 'INBOX', kept)) {
        seen.push(...batch.items.map((item) => item.providerMessageId));
        kept = JSON.parse(JSON.stringify(batch.cursor));
        if (seen.length === 100) await server.kill();
      }
    };
    await expect(cut()).rejects.toMatchObject({ name: 'ProviderFailure', class: 'retry' });
    await server.start();
    const rest = await drain(kept, given);
    const all = [...seen, ...rest.items.map((item) => item.providerMessageId)];
    expect(new Set(all).size).toBe(300);
    expect(all).toHaveLength(300);
    expect(rest.batches.at(-1)!.progress ?? rest.batches.at(-2)!.progress).toEqual({
      done: 300,
      total: 300,
    });
  });

  it('finds nothing twice and nothing again, whatever cursor it is given', async () => {
    deliver(1, 5);
    const first = await drain(null);
    expect((await drain(first.cursor)).items).toEqual([]);
    deliver(6, 7);
    const again = await drain(first.cursor);
    expect(subjects(again.items)).toEqual(numbered(6, 7));
    const ids = [...first.items, ...again.items].map((item) => item.providerMessageId);
    expect(new Set(ids).size).toBe(7);
    expect((await drain(null)).items.map((item) => item.providerMessageId)).toEqual(ids);
  });

  it('walks the whole folder again when UIDVALIDITY changed', async () => {
    deliver(1, 4);
    const first = await drain(null);
    const { uidvalidity } = first.cursor as { uidvalidity: string };
    const changed = { ...(first.cursor as object), uidvalidity: String(Number(uidvalidity) - 1) };
    deliver(5, 5);
    const second = await drain(changed);
    expect(subjects(second.items)).toEqual(numbered(1, 5));
    expect((await drain(second.cursor)).items).toEqual([]);
  });

  it('misses nothing when mails are expunged while it fetches', async () => {
    deliver(1, 60);
    const given = settings({ batch_size: 10 });
    const other = await client();
    const got: (string | undefined)[] = [];
    for await (const batch of imap.mailbox!.fetch(providerCall(given), 'INBOX', null)) {
      got.push(...subjects(batch.items));
      if (got.length === 20) await other.messageDelete('5:8,31:35', { uid: true });
    }
    await other.logout();
    expect(got).toEqual(numbered(1, 60).filter((_, index) => index < 30 || index > 34));
  });

  it.each(['seen', 'move', 'delete'] as const)(
    'settles mails with after: %s once they are stored',
    async (after) => {
      const given = settings({
        after,
        batch_size: 2,
        ...(after === 'move' && { move_to: 'Done' }),
      });
      server.deliver(user, mail('elsewhere'), { folder: 'Done' });
      deliver(1, 5);
      const { items, cursor } = await drain(null, given);
      expect(subjects(items)).toEqual(numbered(1, 5));
      const flags = server.stored(user).map((stored) => stored.flags);
      if (after === 'seen') expect(flags).toEqual(['S', 'S', 'S', 'S', 'S']);
      else expect(flags).toEqual([]);
      expect(server.stored(user, 'Done')).toHaveLength(after === 'move' ? 6 : 1);
      expect(cursor).not.toHaveProperty('unsettled');
      expect((await drain(cursor, given)).items).toEqual([]);
    },
  );

  it('settles at the next look what a crash left between storing and settling', async () => {
    deliver(1, 3);
    const given = settings({ after: 'delete' });
    let kept: unknown;
    for await (const batch of imap.mailbox!.fetch(providerCall(given), 'INBOX', null)) {
      kept = JSON.parse(JSON.stringify(batch.cursor));
      break; // stored, and then the worker died
    }
    expect(server.stored(user)).toHaveLength(3);
    const { items } = await drain(kept, given);
    expect(items).toEqual([]);
    expect(server.stored(user)).toHaveLength(0);
  });

  it('takes only the headers of a mail over the limit, and the mails behind it whole', async () => {
    server.deliver(user, mail('small'));
    server.deliver(user, mail('large', `${'x'.repeat(70)}\r\n`.repeat(5000)));
    server.deliver(user, mail('next'));
    const { items } = await drain(null, settings(), { maxBytes: 100_000 });
    expect(subjects(items)).toEqual(['small', 'large', 'next']);
    expect(items[1]!.meta).toMatchObject({ oversize: true, size: expect.any(Number) });
    expect(text(items[1]!)).not.toContain('xxxx');
    expect(text(items[2]!)).toContain('Hello');
  });

  it('deletes no mail that it has not stored whole, and no draft', async () => {
    server.deliver(user, mail('small'));
    server.deliver(user, mail('large', `${'x'.repeat(70)}\r\n`.repeat(5000)));
    server.deliver(user, mail('draft'), { flags: 'D' });
    const { items } = await drain(null, settings({ after: 'delete' }), { maxBytes: 100_000 });
    expect(subjects(items)).toEqual(['small', 'large']);
    const left = server.stored(user).map(({ raw }) => /^Subject: (.*)\r$/m.exec(String(raw))![1]);
    expect(left).toEqual(['large', 'draft']);
  });

  it('cuts batches by bytes, so that large mails do not fill the memory', async () => {
    for (let n = 1; n <= 6; n++)
      server.deliver(user, mail(`mail-${n}`, `${'y'.repeat(998)}\r\n`.repeat(6000)));
    const { batches, items } = await drain(null);
    expect(subjects(items)).toEqual(numbered(1, 6));
    expect(batches.map((batch) => batch.items.length)).toEqual([2, 2, 2]);
  });

  it('reads several folders, one with a name outside ASCII', async () => {
    server.deliver(user, mail('in'));
    const other = await client();
    await other.mailboxCreate('Anfragen für Ärzte');
    await other.append('Anfragen für Ärzte', mail('drin'));
    await other.logout();
    const given = settings({ folder: ['INBOX', 'Anfragen für Ärzte'] });
    expect(imap.mailbox!.folders(given)).toEqual(['INBOX', 'Anfragen für Ärzte']);
    const found: FetchedItem[] = [];
    for (const folder of imap.mailbox!.folders(given))
      for await (const batch of imap.mailbox!.fetch(providerCall(given), folder, null))
        found.push(...batch.items);
    expect(subjects(found)).toEqual(['in', 'drin']);
  });

  it('is woken by IDLE within a moment of the mail', async () => {
    const { cursor } = await drain(null);
    let beats = 0;
    const call = providerCall(settings(), { heartbeat: () => void beats++ });
    const waiting = imap.mailbox!.wait!(call, 'INBOX', cursor, Date.now() + 30_000);
    await sleep(1000);
    const other = await client();
    const appended = Date.now();
    await other.append('INBOX', mail('wake'));
    expect(await waiting).toBe('mail');
    expect(Date.now() - appended).toBeLessThan(25_000);
    expect(beats).toBeGreaterThan(0);
    await other.logout();
  });

  it('does not sleep over mail that came between the sync and the wait', async () => {
    const { cursor } = await drain(null);
    deliver(1, 1);
    const started = Date.now();
    const outcome = await imap.mailbox!.wait!(
      providerCall(settings()),
      'INBOX',
      cursor,
      Date.now() + 30_000,
    );
    expect(outcome).toBe('mail');
    expect(Date.now() - started).toBeLessThan(25_000);
  });

  it('waits no longer than told, and ends at once when it is cancelled', async () => {
    deliver(1, 1);
    const { cursor } = await drain(null);
    const other = await client();
    await other.messageDelete('1', { uid: true });
    await other.logout();
    const wait = (untilMs: number, signal = new AbortController().signal) =>
      imap.mailbox!.wait!(providerCall(settings(), { signal }), 'INBOX', cursor, untilMs);
    expect(await wait(Date.now() + 1000)).toBe('timeout');
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(new Error('cancelled')), 500);
    const started = Date.now();
    await expect(wait(Date.now() + 60_000, cancel.signal)).rejects.toThrow('cancelled');
    expect(Date.now() - started).toBeLessThan(25_000);
  });

  it('tells of a connection that is lost while it waits', async () => {
    const { cursor } = await drain(null);
    const waiting = imap.mailbox!.wait!(
      providerCall(settings()),
      'INBOX',
      cursor,
      Date.now() + 60_000,
    );
    const outcome = expect(waiting).rejects.toMatchObject({ class: 'retry' });
    await sleep(1000);
    await server.kill();
    await outcome;
    await server.start();
  });

  async function client() {
    const { ImapFlow } = await import('imapflow');
    const flow = new ImapFlow({
      host: server.host,
      port: server.ports.imap,
      doSTARTTLS: false,
      secure: false,
      auth: { user, pass: 'secret' },
      logger: false,
      disableAutoIdle: true,
    });
    await flow.connect();
    await flow.mailboxOpen('INBOX');
    return flow;
  }
});
