import { z } from 'zod';
import type { SubscriptionCapability } from '../contract.ts';
import { asked, graphRequest } from './client.ts';
import type { WhatsAppSettings } from './manifest.ts';

const Done = z.looseObject({ success: z.boolean() });
/** It doesn't end by itself; asked for anew each week, it is there again where somebody took it away. */
const AGAIN_MS = 7 * 24 * 3_600_000;

/**
 * The account's webhooks go to the app
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-account/subscribed-apps-api).
 * It is never ended: the account's other numbers live by the same one.
 */
export const subscription: SubscriptionCapability<WhatsAppSettings> = {
  async renew(call) {
    const { business_account_id: account } = call.settings;
    if (account === undefined) return null;
    const path = `/${account}/subscribed_apps`;
    await asked(call, await graphRequest(call, 'POST', path, { json: {} }), Done);
    return { expiresAt: new Date(Date.now() + AGAIN_MS), state: { account } };
  },
  release: () => Promise.resolve(),
};
