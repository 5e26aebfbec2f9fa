import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { manifest, type SendgridSettings } from './manifest.ts';
import { send } from './send.ts';
import { validate } from './validate.ts';

export const sendgrid: ChannelProvider<SendgridSettings> = {
  manifest,
  validate,
  door,
  sender: { send, hasWayOut: ({ api_key: key }) => key !== undefined },
};
