import { z } from 'zod';
import { EVENT_TYPES, EventType } from './events.ts';

/** Shown in place of a header's value that looks like a credential; sent back, it keeps the value there is. */
export const SEALED_VALUE = '[sealed]';

/** What the sender itself sets, and what would break the request's framing. */
const OWN_HEADERS =
  /^(host|connection|content-length|content-type|transfer-encoding|te|trailer|upgrade|keep-alive|expect|webhook-.*|x-webhook-signature)$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7E\x80-\xFF]*$/;

const Headers = z
  .record(
    z
      .string()
      .max(100)
      .regex(TOKEN, 'is not a header’s name')
      .refine((name) => !OWN_HEADERS.test(name.toLowerCase()), {
        error: 'is set by Postroom itself and can’t be given',
      }),
    z
      .string()
      .max(4096)
      .regex(FIELD_VALUE, 'wants one line of printable characters, Latin-1 at most'),
  )
  .refine((headers) => Object.keys(headers).length <= 20, { error: 'wants 20 headers at most' })
  .meta({
    description: 'Sent with every delivery; values that look like credentials are not shown.',
  });

const Subscription = z
  .enum(['*', ...EVENT_TYPES.filter((type) => type !== 'ping')])
  .meta({ description: 'An event type, or `*` for all.' });

const fields = {
  url: z.string().max(2048).meta({ description: 'http or https; redirects are not followed.' }),
  events: z.array(Subscription).min(1),
  description: z.string().max(500),
  headers: Headers,
  timeout_seconds: z
    .int()
    .min(1)
    .max(60)
    .meta({ description: 'From connecting to the end of the answer’s headers.' }),
  max_retries: z.int().min(0).max(30).meta({ description: '3 means four attempts at most.' }),
  verify_ssl: z.boolean(),
  is_active: z
    .boolean()
    .meta({ description: 'While false nothing is sent, and new events make no deliveries.' }),
  delivery_mode: z.enum(['auto', 'workflow', 'stream']).meta({
    description:
      'workflow: each delivery is a workflow of its own. stream: a dispatcher makes the first attempts in batches, and what fails gets a workflow. auto: by how many are waiting.',
  }),
};

export const WebhookEndpoint = z
  .object({ id: z.string(), ...fields, created_at: z.iso.datetime() })
  .meta({ id: 'WebhookEndpoint' });
export type WebhookEndpoint = z.infer<typeof WebhookEndpoint>;

/** What is so just now, beside what was set. */
export const WebhookEndpointDetail = WebhookEndpoint.extend({
  gear: z.enum(['workflow', 'stream']).meta({ description: 'What `auto` is in; else the mode.' }),
  waiting: z.int().meta({ description: 'Pending deliveries, counted up to 100,000.' }),
  paused_until: z.iso.datetime().nullable().meta({
    description:
      'The endpoint failed again and again: what the dispatcher has for it waits until then, its attempts unspent.',
  }),
}).meta({ id: 'WebhookEndpointDetail' });

export const NewWebhookEndpoint = z
  .strictObject({
    url: fields.url,
    events: fields.events,
    secret: z
      .string()
      .max(200)
      .optional()
      .meta({ description: '16 characters or more; made and shown once when left out.' }),
    description: fields.description.default(''),
    headers: fields.headers.default({}),
    timeout_seconds: fields.timeout_seconds.default(30),
    max_retries: fields.max_retries.default(3),
    verify_ssl: fields.verify_ssl.default(true),
    is_active: fields.is_active.default(true),
    delivery_mode: fields.delivery_mode.default('auto'),
  })
  .meta({ id: 'NewWebhookEndpoint' });
export type NewWebhookEndpoint = z.output<typeof NewWebhookEndpoint>;

export const WebhookEndpointPatch = z
  .strictObject({ ...fields, secret: z.string().max(200) })
  .partial()
  .meta({ id: 'WebhookEndpointPatch' });
export type WebhookEndpointPatch = z.output<typeof WebhookEndpointPatch>;

export const DeliveryStatus = z.enum(['pending', 'delivered', 'failed']);
export type DeliveryStatus = z.infer<typeof DeliveryStatus>;

export const DeliveryAttempt = z
  .object({
    at: z.iso.datetime(),
    status_code: z.int().nullable().meta({ description: 'null: no answer came.' }),
    duration_ms: z.int(),
    error: z.string().nullable().meta({ description: 'Plain words; null on success.' }),
    response_start: z.string().nullable().meta({ description: 'First 1 KiB of the answer.' }),
  })
  .meta({ id: 'DeliveryAttempt' });
export type DeliveryAttempt = z.infer<typeof DeliveryAttempt>;

export const Delivery = z
  .object({
    id: z.string(),
    event_id: z.string(),
    endpoint_id: z.string(),
    type: EventType,
    status: DeliveryStatus,
    attempts: z
      .array(DeliveryAttempt)
      .meta({ description: 'Oldest first, those before a replay included.' }),
    next_attempt_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    workflow_url: z.string(),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.infer<typeof Delivery>;

const CREDENTIAL = /auth|token|key|secret|cookie|password|signature|credential/i;

/** Headers as the API shows them. */
export function maskHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      CREDENTIAL.test(name) ? SEALED_VALUE : value,
    ]),
  );
}

/** What an admin sent, with masked values put back from what there was. */
export function unmaskHeaders(
  sent: Readonly<Record<string, string>>,
  former: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sent).flatMap(([name, value]) => {
      const kept = value === SEALED_VALUE ? former[name] : value;
      return kept === undefined ? [] : [[name, kept]];
    }),
  );
}
