import type { ChannelProvider } from '../contract.ts';
import { consent } from './consent.ts';
import { door } from './door.ts';
import { foldersOf, manifest, type Microsoft365Settings } from './manifest.ts';
import { findSent, send } from './send.ts';
import { fetchMail } from './sync.ts';
import { validate } from './validate.ts';
import { waitForMail } from './wait.ts';
import { release, renew } from './watch.ts';

export const microsoft365: ChannelProvider<Microsoft365Settings> = {
  manifest,
  validate,
  mailbox: { folders: foldersOf, fetch: fetchMail, wait: waitForMail, renew, release, findSent },
  door,
  sender: { send },
  consent,
};
