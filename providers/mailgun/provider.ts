import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { manifest, type MailgunSettings } from './manifest.ts';
import { send } from './send.ts';
import { validate } from './validate.ts';

export const mailgun: ChannelProvider<MailgunSettings> = {
  manifest,
  validate,
  door,
  sender: {
    send,
    hasWayOut: ({ api_key: key, domain }) => key !== undefined && domain !== undefined,
  },
};
