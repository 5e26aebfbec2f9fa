import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { ImapSettings } from '../../../providers/imap/manifest.ts';
import { imap } from '../../../providers/imap/provider.ts';
import {
  describeWith,
  dovecot,
  smtpSink,
  type Dovecot,
  type SmtpSink,
} from '../../harness/index.ts';
import { providerCall } from './call.ts';
import { outgoing } from './outgoing.ts';

jest.setTimeout(240_000);
const users = Array.from({ length: 10 }, (_, index) => ({
  username: `box${index}@example.test`,
  password: 'secret',
}));

describeWith('dovecot', 'the copy in the Sent folder', () => {
  let server: Dovecot;
  let sink: SmtpSink;
  let user: string;
  let count = 0;

  beforeAll(async () => {
    server = await dovecot(users);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    user = users[count++]!.username;
    sink = await smtpSink();
  });
  afterEach(() => sink.close());

  const call = (more: object = {}, timeoutMs = 5000) =>
    providerCall(
      ImapSettings.parse({
        host: server.host,
        port: server.ports.imap,
        security: 'none',
        username: user,
        password: 'secret',
        smtp: { host: sink.host, port: sink.port, security: 'none' },
        ...more,
      }),
      { timeoutMs },
    );
  const send = (given = call(), id = 'own.1@example.test', transmitting = async () => undefined) =>
    imap.sender!.send(given, outgoing(id), transmitting);
  const found = (id = 'own.1@example.test') => imap.mailbox!.findSent!(call(), id);
  const sent = () => server.stored(user, 'Sent');

  it('is the mail that went out, is seen, and is found by its Message-ID', async () => {
    await send();
    const [copy, ...others] = sent();
    expect(others).toEqual([]);
    expect(copy!.flags).toBe('S');
    const [there, here] = await Promise.all(
      [sink.mails[0]!.raw, copy!.raw].map((raw) => simpleParser(raw)),
    );
    for (const key of ['messageId', 'references', 'subject', 'text', 'html'] as const)
      expect(here![key]).toEqual(there![key]);
    expect(here!.attachments[0]!.checksum).toBe(there!.attachments[0]!.checksum);
    expect(await found()).toBe(true);
    expect(await found('other@example.test')).toBe(false);
  });

  it('is a draft while the mail’s end is held back: a crash then leaves it uncertain', async () => {
    let during: boolean | null | undefined;
    await send(call(), 'own.1@example.test', async () => {
      during = await found();
      expect(sent().map(({ flags }) => flags)).toEqual(['DS']);
    });
    expect(during).toBeNull();
    expect(await found()).toBe(true);
  });

  it('stays a draft where the answer never came, and goes where the mail was refused', async () => {
    sink.failNext({ kind: 'drop_after_data' });
    await expect(send()).rejects.toMatchObject({ uncertain: true });
    expect(await found()).toBeNull();
    sink.failNext({ kind: 'reject', at: 'data', code: 554 });
    await expect(send(call(), 'own.2@example.test')).rejects.toMatchObject({ class: 'give_up' });
    expect(await found('own.2@example.test')).toBe(false);
    expect(sent()).toHaveLength(1);
  });

  it('clears up after an attempt that ended before the mail did', async () => {
    const crash = new Error('killed');
    sink.failNext({ kind: 'drop_after_data' });
    await expect(send()).rejects.toMatchObject({ uncertain: true });
    await expect(send(call(), 'own.2@example.test', () => Promise.reject(crash))).rejects.toBe(
      crash,
    );
    await send();
    expect(sent().map(({ flags }) => flags)).toEqual(['S']);
  });

  it('never fails the sending', async () => {
    const noFolder = call({ sent_folder: 'Nowhere' });
    expect((await send(noFolder)).response).toMatch(/^250/);
    const wrong = call({ password: 'wrong' });
    expect((await send(wrong, 'own.2@example.test')).response).toMatch(/^250/);
    expect(sink.mails).toHaveLength(2);
    expect(sent()).toEqual([]);
  });

  it('is not made where the settings want none', async () => {
    await send(call({ save_sent: false }));
    expect(sent()).toEqual([]);
    expect(await found()).toBe(false);
  });
});
