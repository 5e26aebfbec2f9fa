import type { ChannelProvider } from '../contract.ts';
import { door } from './door.ts';
import { manifest, type WhatsAppSettings } from './manifest.ts';

export const whatsapp: ChannelProvider<WhatsAppSettings> = {
  manifest,
  door,
};
