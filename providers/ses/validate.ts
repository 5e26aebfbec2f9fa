import { z } from 'zod';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { ValidationReport } from '../contract.ts';
import { ask } from '../vendor-http.ts';
import { triedKey } from '../vendor-trial.ts';
import { endpoint, sesVendor, signedRequest, type SesCall } from './client.ts';
import { awsFailure } from './failure.ts';
import { manifest } from './manifest.ts';

const Account = z.object({
  SendingEnabled: z.boolean().optional(),
  ProductionAccessEnabled: z.boolean().optional(),
});

/** Asks for the account (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html). */
export async function validate(call: SesCall): Promise<ValidationReport> {
  const warnings = manifest.warnings?.(call.settings) ?? [];
  if (call.settings.access_key_id === undefined) return { ok: true, problems: [], warnings };
  return triedKey(warnings, '/settings/access_key_id', async () => {
    const request = await signedRequest(call.settings, {
      service: 'ses',
      method: 'GET',
      url: `${endpoint(call.settings, 'email')}/v2/email/account`,
    });
    const answer = await ask(call, sesVendor, request);
    if (answer.status === 200) return accountWarnings(answer.body);
    const failure = await awsFailure(call, answer);
    // A key may be good for sending alone.
    if (failure.code === 'ses.not_permitted') return [NOT_TRIED];
    throw failure;
  });
}

const NOT_TRIED =
  'The key may not ask for the account (ses:GetAccount), so it is known to be good, and sending is not tried.';

function accountWarnings(body: Buffer): string[] {
  const account = Account.safeParse(jsonOrUndefined(body.toString()));
  if (!account.success) return [];
  return [
    ...(account.data.SendingEnabled === false ? ['Amazon has paused this account’s sending.'] : []),
    ...(account.data.ProductionAccessEnabled === false
      ? ['The account is in the sandbox of SES: mail goes to verified addresses alone.']
      : []),
  ];
}
