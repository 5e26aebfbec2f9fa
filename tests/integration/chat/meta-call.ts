export const WHATSAPP_SETTINGS = {
  phone_number_id: '106540352242922',
  business_account_id: '102290129340398',
  access_token: 'token',
  app_secret: 'secret',
  verify_token: 'verify',
};

/** As Meta pushes one message (WhatsApp Cloud API, Webhooks, Payload examples). */
export function metaCall(message: Record<string, unknown>): Buffer {
  const value = {
    messaging_product: 'whatsapp',
    metadata: {
      display_phone_number: '15550783881',
      phone_number_id: WHATSAPP_SETTINGS.phone_number_id,
    },
    contacts: [{ profile: { name: 'Ada' }, wa_id: '491701234567' }],
    messages: [{ from: '491701234567', timestamp: '1795168800', ...message }],
  };
  const changes = [{ field: 'messages', value }];
  const entry = [{ id: WHATSAPP_SETTINGS.business_account_id, changes }];
  return Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry }));
}
