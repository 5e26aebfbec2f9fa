import { z } from 'zod';
import { isPossiblePhone } from '../../domain/phone.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';

const Done = z.looseObject({ success: z.boolean() });

/**
 * The two blue ticks
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/mark-message-as-read).
 * @throws ProviderFailure
 */
export async function markRead(
  call: WhatsAppCall,
  { providerMessageId }: { readonly providerMessageId: string },
): Promise<void> {
  if (!call.settings.mark_read || !call.settings.whatsapp_enabled) return;
  const json = {
    messaging_product: 'whatsapp',
    status: 'read',
    message_id: providerMessageId,
  };
  const path = `/${call.settings.phone_number_id}/messages`;
  await asked(call, await graphRequest(call, 'POST', path, { json }), Done);
}

/**
 * WhatsApp's Cloud API tells nobody who uses WhatsApp before something was sent: only that it is no number at all can be
 * said.
 */
export function checkAddress(_call: WhatsAppCall, address: string): Promise<boolean | null> {
  return Promise.resolve(address.startsWith('+') && !isPossiblePhone(address) ? false : null);
}
