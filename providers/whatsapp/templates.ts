import { ProviderFailure } from '../../domain/failure.ts';
import type { MessageTemplate } from '../../domain/message-template.ts';
import { listedTemplates } from '../graph-templates.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';

/**
 * All templates of the account
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-account/template-api).
 * @throws ProviderFailure
 */
export async function* templates(call: WhatsAppCall): AsyncGenerator<MessageTemplate> {
  const { business_account_id: account } = call.settings;
  if (account === undefined)
    throw new ProviderFailure({
      code: 'whatsapp.no_account',
      class: 'give_up',
      message: 'Templates belong to the WhatsApp Business Account: set "business_account_id".',
    });
  yield* listedTemplates(call, {
    request: (query) => graphRequest(call, 'GET', `/${account}/message_templates`, { query }),
    asked: (request, schema) => asked(call, request, schema),
  });
}
