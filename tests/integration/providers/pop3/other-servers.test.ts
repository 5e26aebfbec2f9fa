import { afterEach, describe, expect, it } from '@jest/globals';
import { Pop3Settings } from '../../../../providers/pop3/manifest.ts';
import { pop3 } from '../../../../providers/pop3/provider.ts';
import type { FetchedItem } from '../../../../providers/contract.ts';
import { providerCall } from '../call.ts';
import { subjects } from './mailbox.ts';
import { scriptedServer, type ScriptedServer } from './scripted-server.ts';

// What Dovecot does not do: other makes' ways and words. Mail edge case 39.

let server: ScriptedServer;
afterEach(() => server.close());

const settings = (more: object = {}) =>
  Pop3Settings.parse({
    host: '127.0.0.1',
    port: server.port,
    security: 'none',
    username: 'ada@example.test',
    password: 'secret',
    import_since: '2020-01-01',
    ...more,
  });

async function drain(cursor: unknown = null, more: object = {}, timeoutMs = 30_000) {
  const items: FetchedItem[] = [];
  let last = cursor;
  const call = providerCall(settings(more), { timeoutMs });
  for await (const batch of pop3.mailbox!.fetch(call, 'INBOX', cursor)) {
    items.push(...batch.items);
    last = JSON.parse(JSON.stringify(batch.cursor));
    await batch.stored?.();
  }
  return { items, cursor: last };
}

const retr = (subject: string) => `+OK\r\nSubject: ${subject}\r\n\r\nHello\r\n.`;

describe('POP3 servers of other makes', () => {
  it('names a server that has no UIDL', async () => {
    server = await scriptedServer({ UIDL: '-ERR Unknown command', LAST: '+OK 3' });
    await expect(drain()).rejects.toMatchObject({
      code: 'pop3.no_uidl',
      class: 'give_up',
      message: expect.stringContaining('UIDL'),
    });
    const report = await pop3.validate!(providerCall(settings()));
    expect(report.problems).toEqual([expect.objectContaining({ step: 'permission' })]);
  });

  it('takes copies that share an id for one mail, and deletes them all', async () => {
    server = await scriptedServer({
      UIDL: '+OK\r\n1 a\r\n2 b\r\n3 a\r\n.',
      LIST: '+OK\r\n1 30\r\n2 30\r\n3 30\r\n.',
      'RETR 1': retr('one'),
      'RETR 2': retr('two'),
      DELE: '+OK',
    });
    const { items } = await drain(null, { after: 'delete' });
    expect(subjects(items)).toEqual(['one', 'two']);
    expect(server.commands.filter((line) => line.startsWith('DELE')).sort()).toEqual([
      'DELE 1',
      'DELE 2',
      'DELE 3',
    ]);
  });

  it('finds new mail wherever the server lists it', async () => {
    server = await scriptedServer({
      UIDL: '+OK\r\n1 b\r\n2 a\r\n.',
      'RETR 1': retr('b'),
      'RETR 2': retr('a'),
    });
    const { cursor } = await drain();
    await server.close();
    server = await scriptedServer({
      UIDL: '+OK\r\n1 d\r\n2 b\r\n3 c\r\n4 a\r\n.',
      'RETR 1': retr('d'),
      'RETR 3': retr('c'),
    });
    expect(subjects((await drain(cursor)).items)).toEqual(['d', 'c']);
  });

  it('goes past a mail that the server can’t give, and says so of it', async () => {
    server = await scriptedServer({
      UIDL: '+OK\r\n1 a\r\n2 b\r\n.',
      'RETR 1': '-ERR [SYS/PERM] corrupted message',
      'TOP 1': '+OK\r\nSubject: broken\r\n\r\n.',
      'RETR 2': retr('two'),
    });
    const { items } = await drain();
    expect(subjects(items)).toEqual(['broken', 'two']);
    expect(items[0]!.meta).toMatchObject({ unreadable: expect.stringContaining('corrupted') });
  });

  it('takes no mail for unreadable where the server is in trouble for now', async () => {
    server = await scriptedServer({
      UIDL: '+OK\r\n1 a\r\n.',
      'RETR 1': '-ERR [SYS/TEMP] storage is away',
    });
    await expect(drain()).rejects.toMatchObject({ class: 'wait', code: 'pop3.busy' });
  });

  it.each([
    ['PASS', '-ERR [AUTH] Authentication failed', 'reauthenticate', 'login_refused'],
    ['PASS', '-ERR [AUTH] Username and password not accepted.', 'reauthenticate', 'login_refused'],
    ['PASS', '-ERR Logon failure: unknown user name or bad password.', 'reauthenticate', undefined],
    ['PASS', '-ERR [IN-USE] Do you have another POP session running?', 'wait', 'locked'],
    ['PASS', '-ERR maildrop already locked', 'wait', 'locked'],
    ['PASS', '-ERR Unable to lock maildrop: mailbox is busy', 'wait', 'locked'],
    ['PASS', '-ERR [LOGIN-DELAY] minimum time between mail checks violation', 'wait', 'busy'],
    ['PASS', '-ERR [SYS/TEMP] Temporary system problem. Please try again later.', 'wait', 'busy'],
    ['USER', '-ERR Command is not valid in this state, plaintext disabled', 'give_up', undefined],
    ['LIST', '-ERR internal error', 'wait', 'busy'],
  ])('classifies the answer to %s: %s', async (command, answer, kind, code) => {
    server = await scriptedServer({ [command]: answer });
    await expect(drain()).rejects.toMatchObject({
      class: kind,
      code: code ? `pop3.${code}` : expect.any(String),
      message: expect.not.stringContaining('secret'),
    });
  });

  it.each([
    ['-ERR [IN-USE] Do you have another POP session running?', 10_000],
    ['-ERR [SYS/TEMP] Temporary authentication failure.', 10_000],
    ['-ERR [LOGIN-DELAY] minimum time between mail checks violation', 60_000],
  ])('comes back soon, unless fewer logins are wanted: %s', async (answer, retryAfterMs) => {
    server = await scriptedServer({ PASS: answer });
    await expect(drain()).rejects.toMatchObject({ class: 'wait', retryAfterMs });
  });

  it.each([
    ['refuses it', { STLS: '-ERR unknown command' }],
    ['says more than its answer', { STLS: '+OK begin\r\n+OK injected' }],
    ['says half a line more than its answer', { STLS: '+OK begin\r\n+OK inj' }],
  ])('sends no password where STARTTLS is wanted and the server %s', async (_what, answers) => {
    server = await scriptedServer(answers);
    await expect(drain(null, { security: 'starttls' })).rejects.toMatchObject({ class: 'retry' });
    expect(server.commands).toEqual(['STLS']);
  });

  it.each(['-ERR too many connections', 'HTTP/1.1 400 Bad Request'])(
    'does not go on after the greeting "%s"',
    async (greeting) => {
      server = await scriptedServer({}, greeting);
      await expect(drain()).rejects.toMatchObject({ name: 'ProviderFailure' });
      expect(server.commands).toEqual([]);
    },
  );

  it('gives up on a server that falls silent', async () => {
    server = await scriptedServer({ UIDL: '+OK\r\n1 a' });
    await expect(drain(null, {}, 2000)).rejects.toMatchObject({
      class: 'retry',
      code: 'pop3.connection_lost',
    });
  });
});
