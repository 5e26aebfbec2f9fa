import { isIP } from 'node:net';
import { z } from 'zod';

const port = (fallback: number, description: string) =>
  z.coerce.number().int().min(0).max(65535).default(fallback).describe(description);
const optional = (description: string) => z.string().min(1).optional().describe(description);

/** Every environment variable Postroom reads; `docs/configuration.md` is generated from here. */
export const Environment = z.object({
  POSTROOM_HOME: z.string().min(1).default('.postroom').describe('Folder of all local state.'),
  POSTROOM_HOST: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address the API and the mail door listen on.'),
  POSTROOM_API_PORT: port(3000, 'Port of the API.'),
  POSTROOM_SMTP_PORT: port(2525, 'Port of the local mail door.'),
  POSTROOM_SMTP_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .default(52_428_800)
    .describe('Largest message any door accepts, in bytes.'),
  POSTROOM_SMTP_TLS_CERT: optional(
    'PEM file of the mail door’s certificate; self-made when missing.',
  ),
  POSTROOM_SMTP_TLS_KEY: optional('PEM file of the mail door’s private key.'),
  POSTROOM_MASTER_KEY: z
    .string()
    .regex(
      /^([a-z0-9-]+:)?[A-Za-z0-9+/_-]{43}=?(,([a-z0-9-]+:)?[A-Za-z0-9+/_-]{43}=?)*$/,
      'wants 32 bytes in base64, optionally `id:`-prefixed, comma-separated, newest first',
    )
    .optional()
    .describe(
      'Key ring that seals secrets: 32 bytes in base64, comma-separated, newest first, each optionally `id:`-prefixed. Made and kept in POSTROOM_HOME when missing, outside production.',
    ),
  POSTROOM_PUBLIC_URL: z
    .url()
    .optional()
    .describe('Address under which the API is reached from outside; default http://HOST:API_PORT.'),
  POSTROOM_ALLOW_PRIVATE_TARGETS: z
    .string()
    .default('')
    .transform(listed)
    .describe(
      'Hosts or CIDRs, comma-separated, that webhooks and integrations may reach although private.',
    ),
  POSTROOM_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform(listed)
    .refine((proxies) => proxies.every(isAddressOrRange), 'wants addresses or CIDRs')
    .describe(
      'Addresses or CIDRs, comma-separated, of proxies before the API: what they say in X-Forwarded-For is the address that a person calls from.',
    ),
  POSTROOM_TENANT_RATE_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(1)
    .default(6000)
    .describe('API requests a minute per key.'),
  DATABASE_URL: optional('Postgres; embedded when missing.'),
  POSTROOM_DATABASE_POOL: z.coerce
    .number()
    .int()
    .min(2)
    .default(20)
    .describe('Connections per process.'),
  TEMPORAL_ADDRESS: optional('Temporal frontend, host:port; embedded when missing.'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default').describe('Temporal namespace.'),
  TEMPORAL_API_KEY: optional('Temporal Cloud API key.'),
  TEMPORAL_TLS_CERT: optional('PEM file of the client certificate for mTLS.'),
  TEMPORAL_TLS_KEY: optional('PEM file of the client key for mTLS.'),
  TEMPORAL_TLS_CA: optional('PEM file of the server’s certificate authority.'),
  TEMPORAL_TLS_SERVER_NAME: optional('Server name to check in the certificate.'),
  POSTROOM_TEMPORAL_PORT: port(7233, 'Port of the embedded Temporal server.'),
  POSTROOM_TEMPORAL_UI_PORT: port(8233, 'Port of the embedded Temporal UI.'),
  POSTROOM_TEMPORAL_UI_URL: z
    .url()
    .optional()
    .describe('Address of the Temporal UI for links; default that of the embedded one.'),
  POSTROOM_POSTGRES_PORT: port(0, 'Port of the embedded Postgres; 0 takes any free one.'),
  POSTROOM_TASK_QUEUE_PREFIX: z
    .string()
    .default('')
    .describe('Put before every task queue name, to share a namespace.'),
  POSTROOM_LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace'])
    .default('info')
    .describe('Lowest level that is logged.'),
  POSTROOM_METRICS_PORT: z.coerce
    .number()
    .int()
    .min(1)
    .max(65535)
    .optional()
    .describe(
      'Port where a process of any role also shows /metrics, /healthz and /readyz; off when missing.',
    ),
  POSTROOM_TEMPORAL_METRICS_PORT: z.coerce
    .number()
    .int()
    .min(1)
    .max(65535)
    .optional()
    .describe('Port where Temporal’s SDK shows its own metrics (`temporal_…`); off when missing.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe('Collector that traces are sent to, by OTLP over HTTP; no traces when missing.'),
  OTEL_EXPORTER_OTLP_HEADERS: optional(
    'Headers for the collector: `name=value`, comma-separated, values percent-encoded.',
  ),
  OTEL_SERVICE_NAME: z.string().min(1).default('postroom').describe('Service name of the traces.'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Share of the traces that begin here and are sent, 0 to 1.'),
  NODE_ENV: z.string().optional().describe('`production` refuses to make a master key.'),
});
export type Environment = z.infer<typeof Environment>;

function listed(list: string): string[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

function isAddressOrRange(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  const isRange =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
  return family !== 0 && isRange && more.length === 0;
}
