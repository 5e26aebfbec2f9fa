import type { ValidationReport } from '../contract.ts';
import { ask, type VendorRequest } from '../vendor-http.ts';
import { triedKey } from '../vendor-trial.ts';
import { apiRequest, sendgridVendor, type SendgridCall } from './client.ts';
import { sendgridFailure } from './failure.ts';
import { manifest } from './manifest.ts';

/**
 * Sends a mail in the sandbox, which SendGrid looks at and drops: so the key, its permission and the sender are tried
 * (https://www.twilio.com/docs/sendgrid/for-developers/sending-email/sandbox-mode).
 */
export async function validate(call: SendgridCall): Promise<ValidationReport> {
  const warnings = manifest.warnings?.(call.settings) ?? [];
  if (call.settings.api_key === undefined) return { ok: true, problems: [], warnings };
  return triedKey(warnings, '/settings/api_key', async () => {
    const answer = await ask(call, sendgridVendor, trial(call));
    if (answer.status >= 300) throw await sendgridFailure(call, answer);
    return [];
  });
}

function trial({ settings, channel: { address } }: SendgridCall): VendorRequest {
  // Without a sender only the key can be tried: a batch id that nothing is sent under.
  if (address === null) return apiRequest(settings, '/v3/mail/batch');
  return apiRequest(settings, '/v3/mail/send', {
    personalizations: [{ to: [{ email: address }] }],
    from: { email: address },
    subject: 'Trial of the channel',
    content: [{ type: 'text/plain', value: 'Nobody gets this.' }],
    mail_settings: { sandbox_mode: { enable: true } },
  });
}
