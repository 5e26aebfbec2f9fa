import { windowMs } from '../chat-settings.ts';
import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { manifest, type MessengerSettings } from './manifest.ts';
import { fetchMedia } from './media.ts';
import { markRead, profile } from './people.ts';
import { TAGS } from './policy.ts';
import { send } from './send.ts';
import { templates } from './templates.ts';
import { limits, unfit } from './unfit.ts';
import { validate } from './validate.ts';

// No SDK of Meta’s for Messenger is established for Node, so that the API is asked over HTTP.
export const messenger: ChannelProvider<MessengerSettings> = {
  manifest,
  validate,
  door,
  sender: { send },
  chat: {
    windowMs,
    limits,
    unfit,
    receipts: true,
    tags: TAGS,
    fetchMedia,
    markRead,
    profile,
    templates,
  },
};
