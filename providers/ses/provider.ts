import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { manifest, type SesSettings } from './manifest.ts';
import { send } from './send.ts';
import { validate } from './validate.ts';

export const ses: ChannelProvider<SesSettings> = {
  manifest,
  validate,
  door,
  sender: { send, hasWayOut: ({ access_key_id: key }) => key !== undefined },
};
