import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import { asked, graphRequest, type MessengerCall } from './client.ts';

const Profile = z.looseObject({
  name: z.string().optional(),
  first_name: z.string().optional(),
  last_name: z.string().optional(),
});

/**
 * The name of a person who wrote to the page
 * (https://developers.facebook.com/documentation/business-messaging/messenger-platform/identity/user-profile); null where
 * Facebook doesn't tell it: to an app that isn't approved for it, and of whoever has no Facebook account.
 */
export async function profile(call: MessengerCall, psid: string): Promise<{ name: string } | null> {
  const query = { fields: 'first_name,last_name' };
  const request = await graphRequest(call, 'GET', `/${encodeURIComponent(psid)}`, { query });
  try {
    const { first_name: first, last_name: last } = await asked(call, request, Profile);
    const name = [first, last].filter(Boolean).join(' ');
    return name === '' ? null : { name };
  } catch (error) {
    if (error instanceof ProviderFailure && UNTOLD.has(error.code)) return null;
    throw error;
  }
}

const UNTOLD = new Set([
  'messenger.permission_missing',
  'messenger.no_profile',
  'messenger.unknown',
  'messenger.request_refused',
]);

/** Shows the person that the page has read what they wrote. */
export async function markRead(
  call: MessengerCall,
  { address }: { readonly address: string },
): Promise<void> {
  if (!call.settings.mark_read) return;
  const json = { recipient: { id: address }, sender_action: 'mark_seen' };
  const path = `/${call.settings.page_id}/messages`;
  await asked(call, await graphRequest(call, 'POST', path, { json }), z.unknown());
}
