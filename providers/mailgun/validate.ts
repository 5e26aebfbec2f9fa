import { z } from 'zod';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { ValidationReport } from '../contract.ts';
import { ask } from '../vendor-http.ts';
import { triedKey } from '../vendor-trial.ts';
import { baseUrl, getRequest, mailgunVendor, sendingDomain, type MailgunCall } from './client.ts';
import { mailgunFailure } from './failure.ts';
import { manifest } from './manifest.ts';

const Details = z.object({ domain: z.object({ state: z.string() }) });

/** Asks for the sending domain (`GET /v4/domains/{name}`). */
export async function validate(call: MailgunCall): Promise<ValidationReport> {
  const { settings } = call;
  const warnings = manifest.warnings?.(settings) ?? [];
  if (settings.api_key === undefined || settings.domain === undefined)
    return { ok: true, problems: [], warnings };
  return triedKey(warnings, '/settings/api_key', async () => {
    const url = `${baseUrl(settings)}/v4/domains/${sendingDomain(settings)}`;
    const answer = await ask(call, mailgunVendor, getRequest(settings, url));
    if (answer.status !== 200) throw await mailgunFailure(call, answer);
    const details = Details.safeParse(jsonOrUndefined(answer.body.toString()));
    return details.success && details.data.domain.state !== 'active'
      ? [`Mailgun calls the domain "${details.data.domain.state}": verify its DNS records there.`]
      : [];
  });
}
