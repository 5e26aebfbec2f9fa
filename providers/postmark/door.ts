import { z } from 'zod';
import { readJson, refuseOtherAddresses, refuseWrongLogin } from '../cloud-mail.ts';
import type { DoorCapability } from '../contract.ts';
import { Inbound, recipientsOf, sourceOf } from './inbound.ts';
import type { PostmarkSettings } from './manifest.ts';
import { Report, statusOf } from './statuses.ts';

/** Postmark takes mails of 35 MB; base64 and its JSON come on top. */
const MOST_BYTES = 100 * 1024 * 1024;
const Kind = z.looseObject({ RecordType: z.string().optional() });
const STATES = new Set<string>(Report.options.map((option) => option.shape.RecordType.value));

/**
 * One address for inbound mail and for reports. Postmark signs nothing: it authenticates by user name and password in
 * the address that it calls (https://postmarkapp.com/developer/webhooks/webhooks-overview#protecting-your-webhook).
 */
export const door: DoorCapability<PostmarkSettings> = {
  maxBytes: MOST_BYTES,
  verify(request, { settings }) {
    refuseWrongLogin('postmark', request, settings.basic_auth);
  },
  async receive({ body }, { settings }) {
    const text = body.toString();
    const { RecordType: kind } = readJson('postmark', text, Kind);
    if (kind !== undefined && kind !== 'Inbound') {
      if (!STATES.has(kind)) return { sources: [] };
      const status = statusOf(readJson('postmark', text, Report));
      return { sources: [], statuses: status ? [status] : [] };
    }
    const mail = readJson('postmark', text, Inbound);
    refuseOtherAddresses('postmark', recipientsOf(mail), settings.allowed_addresses);
    return { sources: [sourceOf(mail)] };
  },
};
