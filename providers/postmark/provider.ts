import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { manifest, type PostmarkSettings } from './manifest.ts';
import { send } from './send.ts';
import { validate } from './validate.ts';

export const postmark: ChannelProvider<PostmarkSettings> = {
  manifest,
  validate,
  door,
  sender: { send, hasWayOut: ({ api_key: key }) => key !== undefined },
};
