import type { ChannelProvider } from '../contract.ts';
import { manifest, type SmtpSettings } from './manifest.ts';

export const smtp: ChannelProvider<SmtpSettings> = { manifest };
