import type { ChannelProvider } from '../contract.ts';
import { mailConsent } from '../mail-oauth.ts';
import { foldersOf, manifest, type ImapSettings } from './manifest.ts';
import { send } from './send.ts';
import { findSent } from './sent-copy.ts';
import { fetchMail } from './sync.ts';
import { validate } from './validate.ts';
import { waitForMail } from './wait.ts';

export const imap: ChannelProvider<ImapSettings> = {
  manifest,
  validate,
  consent: mailConsent(),
  mailbox: { folders: foldersOf, fetch: fetchMail, wait: waitForMail, findSent },
  sender: { send, hasWayOut: ({ smtp: server }) => server !== undefined },
};
