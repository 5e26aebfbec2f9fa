import { z } from 'zod';
import { jsonOrUndefined, unreadable } from '../cloud-mail.ts';
import { DoorRefusal } from '../contract.ts';
import { ask } from '../vendor-http.ts';
import { getRequest, mailgunVendor, type MailgunCall } from './client.ts';
import { mailgunFailure } from './failure.ts';

const Stored = z.object({ 'body-mime': z.string() });
const MOST_BYTES = 100 * 1024 * 1024;

/**
 * The mail that a route has stored, as it came
 * (https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/view-stored-messages).
 * @throws ProviderFailure: the call is to be made again later; DoorRefusal where the address is not Mailgun's
 */
export async function fetchStored(call: MailgunCall, messageUrl: string): Promise<Buffer> {
  if (!isMailguns(messageUrl, call.settings.base_url))
    throw new DoorRefusal(403, 'mailgun.foreign_url', 'The message-url leads to another host.');
  const request = getRequest(call.settings, messageUrl);
  const answer = await ask(call, mailgunVendor, {
    ...request,
    headers: { ...request.headers, accept: 'message/rfc2822' },
    maxBytes: MOST_BYTES,
  });
  if (answer.status !== 200) throw await mailgunFailure(call, answer);
  const stored = Stored.safeParse(jsonOrUndefined(answer.body.toString()));
  if (!stored.success) throw unreadable('mailgun', 'the stored message has no body-mime');
  return Buffer.from(stored.data['body-mime']);
}

/** The API key goes to Mailgun's own hosts (`storage-us-east4.api.mailgun.net`) or the one that the admin named. */
export function isMailguns(messageUrl: string, base: string | undefined): boolean {
  const url = URL.parse(messageUrl);
  if (!url || url.username !== '' || url.password !== '') return false;
  if (base !== undefined && url.origin === new URL(base).origin) return true;
  return (
    url.protocol === 'https:' && url.port === '' && /(^|\.)mailgun\.(net|org)$/.test(url.hostname)
  );
}
