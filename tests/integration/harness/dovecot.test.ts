import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connect as connectTls } from 'node:tls';
import { ImapFlow } from 'imapflow';
import { describeWith, dovecot, type Dovecot } from '../../harness/index.ts';

describeWith('dovecot', 'a Dovecot of the test’s own', () => {
  let server: Dovecot;
  const [user] = [{ username: 'support@example.test', password: 'secret' }];
  beforeAll(async () => {
    server = await dovecot();
  });
  afterAll(() => server.stop());

  const imap = (port: number, secure: boolean) => {
    const client = new ImapFlow({
      host: server.host,
      port,
      secure,
      auth: { user: user.username, pass: user.password },
      tls: { ca: server.ca },
      logger: false,
    });
    client.on('error', () => undefined); // the kill below
    return client;
  };

  it.each([
    ['imap with STARTTLS', 'imap', false],
    ['imaps', 'imaps', true],
  ] as const)('is read over %s with its certificate checked', async (_name, port, secure) => {
    server.deliver(user.username, `Subject: ${port}\r\n\r\nHello\r\n`, { folder: port });
    const client = imap(server.ports[port], secure);
    await client.connect();
    await client.mailboxOpen(port);
    const mail = await client.fetchOne('1', { envelope: true });
    expect(mail && mail.envelope?.subject).toBe(port);
    expect(client.secureConnection).toBe(true);
    await client.logout();
  });

  it('announces a delivery to an idling client', async () => {
    const client = imap(server.ports.imap, false);
    await client.connect();
    await client.mailboxOpen('INBOX');
    const told = new Promise<number>((done) => client.on('exists', ({ count }) => done(count)));
    void client.idle();
    server.deliver(user.username, 'Subject: news\r\n\r\nHello\r\n');
    expect(await told).toBe(1);
    await client.logout();
  });

  it('answers POP3 over TLS', async () => {
    const socket = connectTls({ host: server.host, port: server.ports.pop3s, ca: server.ca });
    const greeting = await new Promise<string>((done) =>
      socket.once('data', (chunk) => done(chunk.toString())),
    );
    socket.destroy();
    expect(greeting).toMatch(/^\+OK/);
  });

  it('is killed and comes back with its mail on the same ports', async () => {
    server.deliver(user.username, 'Subject: kept\r\n\r\nHello\r\n', { folder: 'Kept', flags: 'S' });
    await server.kill();
    await expect(imap(server.ports.imaps, true).connect()).rejects.toThrow();
    await server.start();
    const client = imap(server.ports.imaps, true);
    await client.connect();
    expect(await client.status('Kept', { unseen: true })).toMatchObject({ unseen: 0 });
    await client.logout();
    expect(server.stored(user.username, 'Kept')[0]).toMatchObject({ flags: 'S' });
  });
});
