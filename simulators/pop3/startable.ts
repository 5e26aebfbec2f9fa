import { existsSync } from 'node:fs';
import { dovecot } from '../../tests/harness/dovecot.ts';
import type { StartableSimulator } from '../registry.ts';
import { createSimulatorServer, rawBody } from '../server.ts';

const USER = { username: 'support@example.test', password: 'secret' };

/** A mail server needs no playing: it is a real Dovecot, with one mailbox, and a door to put mail into it. */
export const pop3: StartableSimulator = {
  name: 'pop3',
  title: 'A mail server (Dovecot): POP3 and IMAP, one mailbox',
  async start(port) {
    if (!existsSync('/usr/lib/dovecot/pop3'))
      throw new Error(
        'Dovecot is not installed here, and nothing stands in for it. On Debian: apt-get install dovecot-pop3d dovecot-imapd.',
      );
    const server = await dovecot([USER]);
    const control = await createSimulatorServer({
      name: 'pop3',
      port,
      routes: () => undefined,
      controls: (controls) => {
        controls.post('/deliver', (request, response) => {
          server.deliver(USER.username, rawBody(request));
          response.status(202).json({ delivered: true });
        });
        controls.get('/stored', (_request, response) => {
          response.json(server.stored(USER.username).map(({ raw }) => raw.toString('latin1')));
        });
      },
      closing: () => server.stop(),
    }).catch(async (error: unknown) => {
      await server.stop();
      throw error;
    });
    const { pop3s, imaps } = server.ports;
    const settings = (tls: number) =>
      `{"host": "127.0.0.1", "port": ${tls}, "verify_tls": false, "username": "${USER.username}", "password": "${USER.password}"}`;
    return {
      url: control.url,
      close: () => control.close(),
      pointing: [
        `pop3      provider pop3, settings ${settings(pop3s)}`,
        `imap      provider imap, settings ${settings(imaps)}`,
        `plain     POP3 on port ${server.ports.pop3}, IMAP on port ${server.ports.imap}, both with STARTTLS`,
        'mail      POST /_control/deliver with a raw mail; GET /_control/stored',
      ],
    };
  },
};
