import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import type { SubscriptionCapability } from '../contract.ts';
import { asked, graphRequest, type MessengerCall } from './client.ts';
import type { MessengerSettings } from './manifest.ts';

/** What the page's webhook is to tell of; the app itself has to be subscribed to as much. */
export const FIELDS = [
  'messages',
  'messaging_postbacks',
  'messaging_referrals',
  'message_echoes',
  'message_deliveries',
  'message_reads',
  'message_reactions',
  'message_edits',
] as const;
const OURS: ReadonlySet<string> = new Set(FIELDS);

/** Facebook's subscriptions don't end by themselves; each day it is looked whether it still stands. */
const LOOKED_AT_EVERY_MS = 24 * 3_600_000;

const Subscribed = z.looseObject({
  data: z.array(z.looseObject({ subscribed_fields: z.array(z.string()).catch([]).default([]) })),
});

/**
 * The page is subscribed to the app whose token the channel has
 * (https://developers.facebook.com/docs/graph-api/reference/page/subscribed_apps). What it is subscribed to for other ends
 * stays, also when the channel ends.
 */
export const subscription: SubscriptionCapability<MessengerSettings> = {
  async renew(call) {
    if (!call.settings.subscribe_page) return null;
    const standing = await subscribedFields(call);
    const wanted = [...new Set([...standing, ...FIELDS])];
    if (wanted.length > standing.length) await subscribe(call, wanted);
    return { expiresAt: new Date(Date.now() + LOOKED_AT_EVERY_MS), state: { fields: wanted } };
  },

  async release(call) {
    try {
      const others = (await subscribedFields(call)).filter((field) => !OURS.has(field));
      if (others.length > 0) await subscribe(call, others);
      else await asked(call, await graphRequest(call, 'DELETE', pathOf(call)), z.unknown());
    } catch (error) {
      if (!(error instanceof ProviderFailure) || error.class === 'retry' || error.class === 'wait')
        throw error;
      call.log.info({ code: error.code }, 'the page’s subscription can’t be ended with this token');
    }
  },
};

/** To which fields the page is subscribed for the token's app. */
export async function subscribedFields(call: MessengerCall): Promise<string[]> {
  const request = await graphRequest(call, 'GET', pathOf(call));
  const { data } = await asked(call, request, Subscribed);
  return [...new Set(data.flatMap(({ subscribed_fields: fields }) => fields))];
}

/** Takes the place of what the page was subscribed to before. */
async function subscribe(call: MessengerCall, fields: readonly string[]): Promise<void> {
  const query = { subscribed_fields: fields.join(',') };
  await asked(call, await graphRequest(call, 'POST', pathOf(call), { query }), z.unknown());
}

function pathOf({ settings }: Pick<MessengerCall, 'settings'>): string {
  return `/${settings.page_id}/subscribed_apps`;
}
