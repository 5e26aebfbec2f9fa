import { existsSync } from 'node:fs';
import { dovecot } from '../../../tests/harness/dovecot.ts';
import { customersServer } from '../mail.ts';
import { SkippedDoor, type DemoDoor, type OpenDoor } from './door.ts';

const LOOK_EVERY_SECONDS = 10;

/** A mailbox in a real Dovecot; answers leave by a submission server of the demo's own. */
export function mailServerDoor(protocol: 'imap' | 'pop3', run: string): DemoDoor {
  const address = `demo-${protocol}-${run}@mail.test`;
  return {
    title: protocol.toUpperCase(),
    provider: protocol,
    address,
    open: () => open(protocol, address),
  };
}

async function open(protocol: 'imap' | 'pop3', address: string): Promise<OpenDoor> {
  if (!existsSync(`/usr/lib/dovecot/${protocol}`))
    throw new SkippedDoor('Dovecot is not installed (Debian: dovecot-imapd dovecot-pop3d)');
  const user = { username: address, password: 'secret' };
  const [server, submission] = await Promise.all([dovecot([user]), customersServer()]);
  return {
    settings: {
      host: server.host,
      port: server.ports[`${protocol}s`],
      ca: server.ca,
      ...user,
      poll_seconds: LOOK_EVERY_SECONDS,
      smtp: { host: '127.0.0.1', port: submission.port, security: 'none' },
    },
    connect: () => undefined,
    deliver: async (raw) => server.deliver(address, raw),
    repeat: async (raw) => server.deliver(address, raw),
    tamper: () => null,
    sent: () => submission.mails(),
    reportBounce: null,
    violations: () => [],
    async close() {
      await submission.close();
      await server.stop();
    },
  };
}
