import { ProviderFailure } from '../../domain/failure.ts';
import type { ChosenTemplate, MessageTemplate } from '../../domain/message-template.ts';
import { listedTemplates, type TemplateComponent } from '../graph-templates.ts';
import { asked, graphRequest, type MessengerCall } from './client.ts';

const FIELDS = 'name,language,status,category,components';

/**
 * The page's utility messages, which may be sent after the window
 * (https://developers.facebook.com/docs/graph-api/reference/page/message_templates). A page whose token was not granted
 * page_utility_messaging has none. @throws ProviderFailure
 */
export async function* templates(call: MessengerCall): AsyncGenerator<MessageTemplate> {
  const path = `/${call.settings.page_id}/message_templates`;
  try {
    yield* listedTemplates(call, {
      request: (query) => graphRequest(call, 'GET', path, { query }),
      asked: (request, schema) => asked(call, request, schema),
      beyondUs,
      fields: FIELDS,
    });
  } catch (error) {
    if (!(error instanceof ProviderFailure) || error.code !== 'messenger.permission_missing')
      throw error;
    call.log.info(
      'the page’s token may not read utility messages: it lacks page_utility_messaging',
    );
  }
}

/** Only texts are filled in: of pictures and of links in buttons it isn't said how they are given. */
function beyondUs({ format, buttons = [] }: TemplateComponent): string | null {
  if (format !== undefined && format.toUpperCase() !== 'TEXT') return format;
  return buttons.some(({ url = '' }) => url.includes('{{')) ? 'a link with a place in it' : null;
}

/**
 * A template with its values, as Messenger wants them
 * (https://developers.facebook.com/documentation/business-messaging/messenger-platform/send-messages/utility-messages).
 */
export function templatePart({ name, language, values }: ChosenTemplate): object {
  const components = (['header', 'body'] as const).flatMap((type) => {
    const parameters = Object.entries(values)
      .filter(([place]) => place.startsWith(`${type}.`))
      .map(([place, text]) => ({ key: place.slice(type.length + 1), text }))
      .sort((a, b) => Number(a.key) - Number(b.key) || 0)
      .map(({ text }) => ({ type: 'text', text }));
    return parameters.length === 0 ? [] : [{ type, parameters }];
  });
  return {
    template: {
      name,
      language: { code: language },
      ...(components.length > 0 && { components }),
    },
  };
}
