import type { ChannelProvider } from '../contract.ts';
import { consent } from './consent.ts';
import { door } from './door.ts';
import { manifest, type GmailSettings } from './manifest.ts';
import { findSent, send } from './send.ts';
import { fetchMail } from './sync.ts';
import { validate } from './validate.ts';
import { release, renew } from './watch.ts';

export const gmail: ChannelProvider<GmailSettings> = {
  manifest,
  validate,
  // One feed for all labels: a mail in several of them comes once.
  mailbox: { folders: () => ['mail'], fetch: fetchMail, renew, release, findSent },
  sender: { send },
  door,
  consent,
};
