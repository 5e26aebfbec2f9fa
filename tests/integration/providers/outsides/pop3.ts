import type { Outside } from './contract.ts';
import { mailServerOutside } from './mail-server.ts';
import { submissionOutside } from './submission.ts';

export const outside: Outside = {
  needs: 'dovecot',
  mailbox: () => mailServerOutside('pop3s'),
  sender: () => submissionOutside({ host: '127.0.0.1', username: 'u', password: 'p' }),
};
