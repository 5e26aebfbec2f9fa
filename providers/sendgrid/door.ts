import { one, readJson, refuseOtherAddresses, refuseWrongLogin } from '../cloud-mail.ts';
import { DoorRefusal, type DoorCapability, type DoorRequest } from '../contract.ts';
import { formOrRefusal } from '../vendor-form.ts';
import { envelopeOf, sourceOf } from './inbound.ts';
import type { SendgridSettings } from './manifest.ts';
import { verifySignature } from './signature.ts';
import { Events, statusOf } from './statuses.ts';

/** SendGrid takes mails of 30 MB; in pieces and in a form they are larger. */
const MOST_BYTES = 100 * 1024 * 1024;
/** SendGrid tries a mail again for 3 days, and events for 24 hours. */
const MAIL_AGE_MS = 72.5 * 3600_000;
const EVENT_AGE_MS = 24.5 * 3600_000;

/** One address for the Inbound Parse webhook and the Event Webhook. */
export const door: DoorCapability<SendgridSettings> = {
  maxBytes: MOST_BYTES,
  verify(request, { settings }) {
    const [key, mostAgeMs] = isEvents(request)
      ? [settings.event_public_key, EVENT_AGE_MS]
      : [settings.parse_public_key, MAIL_AGE_MS];
    if (key !== undefined) verifySignature(request, key, mostAgeMs);
    else if (settings.basic_auth) refuseWrongLogin('sendgrid', request, settings.basic_auth);
    else
      throw new DoorRefusal(
        401,
        'sendgrid.no_proof',
        'No setting says how such a call proves itself.',
      );
  },
  async receive(request, { settings }) {
    if (isEvents(request)) {
      const events = readJson('sendgrid', request.body.toString(), Events);
      return { sources: [], statuses: events.map(statusOf).filter((status) => status !== null) };
    }
    const form = await formOrRefusal('sendgrid', request);
    refuseOtherAddresses('sendgrid', envelopeOf(form)?.to ?? [], settings.allowed_addresses);
    return { sources: [sourceOf(form)] };
  },
};

function isEvents({ headers }: DoorRequest): boolean {
  return /^application\/json\b/i.test(one(headers['content-type']) ?? '');
}
