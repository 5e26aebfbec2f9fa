import type { ChannelProvider } from '../contract.ts';
import { mailConsent } from '../mail-oauth.ts';
import { submit } from '../submission.ts';
import { manifest, type Pop3Settings } from './manifest.ts';
import { fetchMail } from './sync.ts';
import { validate } from './validate.ts';
import { waitForMail } from './wait.ts';

/** POP3 knows one mailbox and no folders. */
const FOLDER = 'INBOX';

export const pop3: ChannelProvider<Pop3Settings> = {
  manifest,
  validate,
  consent: mailConsent(),
  mailbox: { folders: () => [FOLDER], fetch: fetchMail, wait: waitForMail },
  sender: { send: submit, hasWayOut: ({ smtp: server }) => server !== undefined },
};
