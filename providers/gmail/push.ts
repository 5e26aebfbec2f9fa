import { z } from 'zod';

/** What Gmail publishes (https://developers.google.com/workspace/gmail/api/guides/push). */
const Notification = z.object({
  emailAddress: z.email(),
  historyId: z.coerce.string(),
});
export type Notification = z.infer<typeof Notification>;

/** A Pub/Sub push, wrapped (https://cloud.google.com/pubsub/docs/push): the notification is base64 within it. */
const Wrapped = z.object({ message: z.object({ data: z.string() }) });

/** Reads the body of a push, wrapped or not; null where it is none. */
export function readNotification(body: Buffer): Notification | null {
  const outer = json(body);
  const wrapped = Wrapped.safeParse(outer);
  const inner = wrapped.success ? json(Buffer.from(wrapped.data.message.data, 'base64')) : outer;
  return Notification.safeParse(inner).data ?? null;
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}
