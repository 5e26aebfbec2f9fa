import { windowMs } from '../chat-settings.ts';
import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { health, pace } from './health.ts';
import { limits, templateLimits, unfit } from './limits.ts';
import { manifest, type WhatsAppSettings } from './manifest.ts';
import { fetchMedia } from './media.ts';
import { checkAddress, markRead } from './people.ts';
import { send } from './send.ts';
import { templates } from './templates.ts';
import { validate } from './validate.ts';

// No SDK of Meta's is established for Node (the one that there was is archived), so that the API is asked over HTTP.
export const whatsapp: ChannelProvider<WhatsAppSettings> = {
  manifest,
  validate,
  door,
  sender: { send },
  chat: {
    windowMs,
    limits,
    unfit,
    firstContact: 'phone',
    receipts: true,
    fetchMedia,
    markRead,
    checkAddress,
    templates,
    templateLimits,
    health,
    pace,
  },
};
