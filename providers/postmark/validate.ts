import { z } from 'zod';
import { jsonOrUndefined } from '../cloud-mail.ts';
import type { ValidationReport } from '../contract.ts';
import { ask } from '../vendor-http.ts';
import { triedKey } from '../vendor-trial.ts';
import { apiRequest, postmarkVendor, type PostmarkCall } from './client.ts';
import { postmarkFailure } from './failure.ts';
import { manifest } from './manifest.ts';

const Server = z.object({ RawEmailEnabled: z.boolean().optional() });

/** Asks for the server that the token belongs to (https://postmarkapp.com/developer/api/server-api). */
export async function validate(call: PostmarkCall): Promise<ValidationReport> {
  const warnings = manifest.warnings?.(call.settings) ?? [];
  if (call.settings.api_key === undefined) return { ok: true, problems: [], warnings };
  return triedKey(warnings, '/settings/api_key', async () => {
    const answer = await ask(call, postmarkVendor, apiRequest(call.settings, 'GET', '/server'));
    if (answer.status !== 200) throw await postmarkFailure(call, answer);
    const server = Server.safeParse(jsonOrUndefined(answer.body.toString()));
    return server.success && server.data.RawEmailEnabled === false ? [RAW_IS_OFF] : [];
  });
}

const RAW_IS_OFF =
  'Postmark leaves out the raw mail: switch on "Include raw email content in JSON payload" in its inbound stream, so ' +
  'that signatures and odd structures are kept as they came.';
