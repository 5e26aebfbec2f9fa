import type { ProviderCall } from '../contract.ts';
import type { GmailSettings } from './manifest.ts';

export type GmailCall = ProviderCall<GmailSettings>;

export const DEFAULT_MAX_BYTES = 50 * 1024 * 1024;
