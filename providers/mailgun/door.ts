import { readJson, refuseOtherAddresses } from '../cloud-mail.ts';
import type { DoorCapability, DoorReceipt, DoorRequest } from '../contract.ts';
import { formOrRefusal, textOf } from '../vendor-form.ts';
import type { MailgunCall } from './client.ts';
import { recipientsOf, sourceOf } from './inbound.ts';
import type { MailgunSettings } from './manifest.ts';
import { isEvent, verifySignature } from './signature.ts';
import { Event, statusOf } from './statuses.ts';
import { fetchStored } from './stored-message.ts';

/** Mailgun takes mails of 25 MB; in pieces and in a form they are larger. */
const MOST_BYTES = 100 * 1024 * 1024;

/** One address for routes (forward and store) and for webhooks of events. */
export const door: DoorCapability<MailgunSettings> = {
  maxBytes: MOST_BYTES,
  verify: (request, { settings }) => verifySignature(request, settings.signing_key),
  async receive(request, call) {
    if (!isEvent(request)) return receiveMail(request, call);
    const status = statusOf(readJson('mailgun', request.body.toString(), Event));
    return { sources: [], statuses: status ? [status] : [] };
  },
};

async function receiveMail(request: DoorRequest, call: MailgunCall): Promise<DoorReceipt> {
  const form = await formOrRefusal('mailgun', request);
  refuseOtherAddresses('mailgun', recipientsOf(form), call.settings.allowed_addresses, 406);
  const url = form.fields.has('body-mime') ? undefined : textOf(form, 'message-url');
  const fetched = url === undefined ? null : await fetchStored(call, url);
  return { sources: [sourceOf(form, fetched)] };
}
