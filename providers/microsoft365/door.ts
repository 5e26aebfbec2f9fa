import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { DoorRefusal, type DoorCapability, type DoorRequest } from '../contract.ts';
import type { Microsoft365Settings } from './manifest.ts';
import { watchState } from './watch.ts';

const MOST_BYTES = 1024 * 1024;
const LONGEST_TOKEN = 2048;

/** https://learn.microsoft.com/graph/api/resources/changenotificationcollection, as far as we read it. */
const Notifications = z.object({
  value: z
    .array(
      z.object({
        clientState: z.string(),
        lifecycleEvent: z
          .enum(['reauthorizationRequired', 'subscriptionRemoved', 'missed'])
          .nullish()
          .catch(null),
      }),
    )
    .min(1),
});

/** Change notifications say only that there is news: what, the sync finds out. */
export const door: DoorCapability<Microsoft365Settings> = {
  maxBytes: MOST_BYTES,

  /** Every notification carries the secret that the subscription was made with, whoever it came with. */
  verify(request, call) {
    if (validationToken(request) !== null) return;
    const kept = watchState(call);
    if (!kept)
      throw new DoorRefusal(
        401,
        'not_watched',
        'A notification came, and there is no subscription.',
      );
    for (const { clientState } of notificationsOf(request).value)
      if (!isSame(clientState, kept.clientState))
        throw new DoorRefusal(
          401,
          'wrong_client_state',
          'A notification’s clientState is not ours.',
        );
  },

  async receive(request) {
    const token = validationToken(request);
    // https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation
    if (token !== null)
      return { sources: [], answer: { status: 200, body: token, contentType: 'text/plain' } };
    const events = notificationsOf(request).value.map(({ lifecycleEvent }) => lifecycleEvent);
    const isEnding = events.some(
      (event) => event === 'reauthorizationRequired' || event === 'subscriptionRemoved',
    );
    return {
      sources: [],
      news: isEnding ? 'watch' : 'mail',
      answer: { status: 202, body: '', contentType: 'text/plain' },
    };
  },
};

/** The handshake before a subscription is made: whoever asks is answered, and learns nothing but what he sent. */
function validationToken({ method, query }: DoorRequest): string | null {
  const token = query['validationToken'];
  if (token === undefined) return null;
  if (method === 'POST' && token.length <= LONGEST_TOKEN) return token;
  throw new DoorRefusal(400, 'bad_handshake', 'This is no validation request of Microsoft Graph.');
}

function notificationsOf({ body }: DoorRequest): z.infer<typeof Notifications> {
  try {
    return Notifications.parse(JSON.parse(body.toString()));
  } catch {
    throw new DoorRefusal(
      400,
      'bad_notification',
      'The body is no collection of change notifications.',
    );
  }
}

/** In the same time, whatever differs. */
function isSame(given: string, kept: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(kept));
}
