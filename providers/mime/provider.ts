import type { ChannelProvider } from '../contract.ts';
import { manifest, type MimeSettings } from './manifest.ts';

export const mime: ChannelProvider<MimeSettings> = { manifest };
