import { windowMs } from '../chat-settings.ts';
import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { manifest, type MessengerSettings } from './manifest.ts';
import { fetchMedia } from './media.ts';
import { MOST_CHARACTERS } from './parts.ts';
import { markRead, profile } from './people.ts';
import { TAGS } from './policy.ts';
import { send } from './send.ts';
import { validate } from './validate.ts';

export const messenger: ChannelProvider<MessengerSettings> = {
  manifest,
  validate,
  door,
  sender: { send },
  chat: {
    windowMs,
    limits: { text: MOST_CHARACTERS, attachments: 10, interactive: ['quick_replies', 'buttons'] },
    receipts: true,
    tags: TAGS,
    fetchMedia,
    markRead,
    profile,
  },
};
