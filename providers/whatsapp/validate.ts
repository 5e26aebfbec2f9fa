import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import type { ValidationProblem, ValidationReport } from '../contract.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';
import { factsOf, healthOf, readNumber } from './health.ts';
import { manifest } from './manifest.ts';

const text = z.string().optional().catch(undefined);

const Ids = z.looseObject({
  data: z.array(z.looseObject({ id: z.string() })),
  paging: z.looseObject({ next: text }).optional().catch(undefined),
});
const Apps = z.looseObject({ data: z.array(z.unknown()) });

/**
 * Asks for the number, then for what its account lets the token see; names what a token lacks. Nothing is sent.
 */
export async function validate(call: WhatsAppCall): Promise<ValidationReport> {
  const warnings = [...(manifest.warnings?.(call.settings) ?? [])];
  const problems: ValidationProblem[] = [];
  const facts: string[] = [];
  const trial = async (permission: string, pointer: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      problems.push(problemOf(error, permission, pointer));
    }
  };
  const { phone_number_id: numberId, business_account_id: account } = call.settings;
  await trial('whatsapp_business_messaging', '/settings/phone_number_id', async () => {
    const number = await readNumber(call);
    facts.push(factsOf(number));
    warnings.push(...healthOf(number).warnings);
  });
  if (account !== undefined && problems.length === 0)
    await trial('whatsapp_business_management', '/settings/business_account_id', async () => {
      const query = { fields: 'id', limit: '100' };
      const numbers = await graphRequest(call, 'GET', `/${account}/phone_numbers`, { query });
      const { data, paging } = await asked(call, numbers, Ids);
      if (paging?.next === undefined && !data.some(({ id }) => id === numberId))
        problems.push(OTHER_ACCOUNT);
      const apps = await graphRequest(call, 'GET', `/${account}/subscribed_apps`);
      if ((await asked(call, apps, Apps)).data.length === 0) warnings.push(NOT_SUBSCRIBED);
    });
  return { ok: problems.length === 0, problems, warnings, facts };
}

const OTHER_ACCOUNT: ValidationProblem = {
  step: 'settings',
  detail: 'The number does not belong to this WhatsApp Business Account.',
  pointer: '/settings/business_account_id',
};

const NOT_SUBSCRIBED =
  'No app is subscribed to the WhatsApp Business Account yet, so that Meta calls nobody: the channel subscribes its own when it starts.';

const HOST_FAULT = /\.(unreachable|host_not_allowed|timeout|connection_lost|answer_unreadable)$/;

function problemOf(
  { class: kind, code, message }: ProviderFailure,
  permission: string,
  pointer: string,
): ValidationProblem {
  if (HOST_FAULT.test(code))
    return { step: 'host', detail: message, pointer: '/settings/base_url' };
  if (code === 'whatsapp.permission_missing')
    return {
      step: 'permission',
      detail: `The access token lacks the permission ${permission}: make one that has it. ${message}`,
      pointer: '/settings/access_token',
    };
  if (code === 'whatsapp.app_secret_wrong')
    return { step: 'login', detail: message, pointer: '/settings/app_secret' };
  if (kind === 'reauthenticate')
    return { step: 'login', detail: message, pointer: '/settings/access_token' };
  return kind === 'give_up'
    ? { step: 'settings', detail: message, pointer }
    : { step: 'host', detail: message };
}
