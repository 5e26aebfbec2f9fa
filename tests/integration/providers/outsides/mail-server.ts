import { dovecot } from '../../../harness/index.ts';
import type { MailboxOutside } from './contract.ts';

const PASSWORD = 'secret';
const ACCOUNTS = 20;

/** A Dovecot, read by `protocol`. @param port of its TLS listener */
export async function mailServerOutside(port: 'imaps' | 'pop3s'): Promise<MailboxOutside> {
  const users = Array.from({ length: ACCOUNTS }, (_, index) => ({
    username: `box${index}@example.test`,
    password: PASSWORD,
  }));
  const server = await dovecot(users);
  let next = 0;
  return {
    account() {
      const { username } = users[next++]!;
      const settings = {
        host: server.host,
        port: server.ports[port],
        ca: server.ca,
        username,
        password: PASSWORD,
        import_since: '2020-01-01',
        batch_size: 3,
      };
      return {
        settings,
        refused: { settings: { ...settings, password: 'wrong' } },
        deliver: (raw) => server.deliver(username, raw),
      };
    },
    close: () => server.stop(),
  };
}
