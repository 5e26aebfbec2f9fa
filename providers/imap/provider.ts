import type { ChannelProvider } from '../contract.ts';
import { manifest, type ImapSettings } from './manifest.ts';

export const imap: ChannelProvider<ImapSettings> = { manifest };
