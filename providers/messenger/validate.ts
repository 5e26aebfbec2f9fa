import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import type { ValidationProblem, ValidationReport } from '../contract.ts';
import { asked, graphRequest, type MessengerCall } from './client.ts';
import { FIELDS, subscribedFields } from './subscription.ts';

const Page = z.looseObject({ id: z.coerce.string(), name: z.string().catch('') });

/**
 * Tries the token by reading the page; then each right by what needs it: pages_manage_metadata by the page's
 * subscriptions, pages_messaging by its Messenger profile
 * (https://developers.facebook.com/documentation/business-messaging/messenger-platform/reference/messenger-profile-api).
 */
export async function validate(call: MessengerCall): Promise<ValidationReport> {
  const problems: ValidationProblem[] = [];
  const warnings: string[] = [];
  const facts: string[] = [];
  await trying(problems, async () => {
    const { id, name } = await read(call, `/${call.settings.page_id}`, 'id,name', Page);
    facts.push(`The page is "${name}" (${id}).`);
    if (id !== call.settings.page_id)
      problems.push({
        step: 'settings',
        detail: `"page_id" is not the page’s own id, which is ${id} (${name}).`,
        pointer: '/settings/page_id',
      });
  });
  if (problems.length > 0) return { ok: false, problems, warnings, facts };
  await trying(
    problems,
    async () => {
      const missing = missingFields(await subscribedFields(call));
      if (!call.settings.subscribe_page && missing.length > 0)
        warnings.push(
          `The page is not subscribed to ${missing.join(', ')}: what happens there isn’t told. Subscribe it, or set "subscribe_page".`,
        );
    },
    'pages_manage_metadata',
  );
  await trying(
    problems,
    async () => {
      await read(call, '/me/messenger_profile', 'greeting', z.unknown());
    },
    'pages_messaging',
  );
  return { ok: problems.length === 0, problems, warnings, facts };
}

function missingFields(standing: readonly string[]): string[] {
  return FIELDS.filter((field) => !standing.includes(field));
}

async function read<T>(
  call: MessengerCall,
  path: string,
  fields: string,
  schema: z.ZodType<T>,
): Promise<T> {
  return asked(call, await graphRequest(call, 'GET', path, { query: { fields } }), schema);
}

async function trying(
  problems: ValidationProblem[],
  trial: () => Promise<void>,
  permission?: string,
): Promise<void> {
  try {
    await trial();
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    problems.push(problemOf(error, permission));
  }
}

function problemOf(failure: ProviderFailure, permission?: string): ValidationProblem {
  const { class: kind, message } = failure;
  const code = failure.code.replace(/^messenger\./, '');
  if (code === 'permission_missing')
    return {
      step: 'permission',
      detail: permission === undefined ? message : `The token lacks ${permission}. ${message}`,
      pointer: '/settings/page_access_token',
    };
  if (code === 'secret_refused')
    return { step: 'login', detail: message, pointer: '/settings/app_secret' };
  if (kind === 'reauthenticate')
    return { step: 'login', detail: message, pointer: '/settings/page_access_token' };
  if (code === 'unknown')
    return { step: 'settings', detail: message, pointer: '/settings/page_id' };
  if (kind === 'give_up' && code !== 'host_not_allowed')
    return { step: 'permission', detail: message };
  return { step: 'host', detail: message, pointer: '/settings/base_url' };
}
