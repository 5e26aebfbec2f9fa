import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { Environment } from './schema.ts';

export interface TemporalTarget {
  /** host:port; undefined where the embedded server is to be used. */
  readonly address?: string;
  readonly namespace: string;
  readonly apiKey?: string;
  readonly tls?: { cert?: Buffer; key?: Buffer; ca?: Buffer; serverName?: string };
  readonly uiUrl: string;
  readonly taskQueuePrefix: string;
}

/** Where spans go (OTLP over HTTP). */
export interface TracingTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** Share of the traces begun here that are sent. */
  readonly ratio: number;
}

export interface Config {
  readonly home: string;
  readonly host: string;
  readonly apiPort: number;
  readonly smtp: { port: number; maxBytes: number; certFile?: string; keyFile?: string };
  readonly masterKey?: string;
  readonly publicUrl: string;
  readonly allowPrivateTargets: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly ratePerMinute: number;
  readonly databaseUrl?: string;
  readonly databasePool: number;
  readonly temporal: TemporalTarget;
  readonly temporalPort: number;
  readonly temporalUiPort: number;
  readonly postgresPort: number;
  readonly logLevel: Environment['POSTROOM_LOG_LEVEL'];
  /** Metrics, health and readiness of this process, beside its doors; undefined: none. */
  readonly metricsPort?: number;
  readonly temporalMetricsPort?: number;
  readonly tracing?: TracingTarget;
  readonly production: boolean;
  /** The raw environment, for the single-account names that provider manifests declare. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A setting that can't be used; the message names the variable, what it got and what it wants. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads the environment and `.env` (the environment wins) once.
 * @throws ConfigError naming each bad variable.
 */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const merged = { ...readDotEnv(), ...withoutEmpty(env) };
  const parsed = Environment.safeParse(merged);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      const got = SECRET.test(name) ? 'a value that is not shown' : JSON.stringify(merged[name]);
      return `  ${name}: got ${got}; ${issue.message}`;
    });
    throw new ConfigError(`Settings that can't be used:\n${lines.join('\n')}`);
  }
  const e = parsed.data;
  return {
    home: resolve(e.POSTROOM_HOME),
    host: e.POSTROOM_HOST,
    apiPort: e.POSTROOM_API_PORT,
    smtp: {
      port: e.POSTROOM_SMTP_PORT,
      maxBytes: e.POSTROOM_SMTP_MAX_BYTES,
      certFile: e.POSTROOM_SMTP_TLS_CERT,
      keyFile: e.POSTROOM_SMTP_TLS_KEY,
    },
    masterKey: e.POSTROOM_MASTER_KEY,
    publicUrl: (
      e.POSTROOM_PUBLIC_URL ?? `http://${e.POSTROOM_HOST}:${e.POSTROOM_API_PORT}`
    ).replace(/\/+$/, ''),
    allowPrivateTargets: e.POSTROOM_ALLOW_PRIVATE_TARGETS,
    trustedProxies: e.POSTROOM_TRUSTED_PROXIES,
    ratePerMinute: e.POSTROOM_TENANT_RATE_PER_MINUTE,
    databaseUrl: e.DATABASE_URL,
    databasePool: e.POSTROOM_DATABASE_POOL,
    temporal: {
      address: e.TEMPORAL_ADDRESS,
      namespace: e.TEMPORAL_NAMESPACE,
      apiKey: e.TEMPORAL_API_KEY,
      tls: temporalTls(e),
      uiUrl: (
        e.POSTROOM_TEMPORAL_UI_URL ?? `http://127.0.0.1:${e.POSTROOM_TEMPORAL_UI_PORT}`
      ).replace(/\/+$/, ''),
      taskQueuePrefix: e.POSTROOM_TASK_QUEUE_PREFIX,
    },
    temporalPort: e.POSTROOM_TEMPORAL_PORT,
    temporalUiPort: e.POSTROOM_TEMPORAL_UI_PORT,
    postgresPort: e.POSTROOM_POSTGRES_PORT,
    logLevel: e.POSTROOM_LOG_LEVEL,
    metricsPort: e.POSTROOM_METRICS_PORT,
    temporalMetricsPort: e.POSTROOM_TEMPORAL_METRICS_PORT,
    tracing: tracingTarget(e),
    production: e.NODE_ENV === 'production',
    environment: merged,
  };
}

const SECRET = /KEY|PASSWORD|SECRET|TOKEN|DATABASE_URL|OTLP_HEADERS/;

function readDotEnv(): Record<string, string | undefined> {
  return existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
}

/** `NAME=` in a compose file means "not set". */
function withoutEmpty(env: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

function tracingTarget(e: Environment): TracingTarget | undefined {
  if (e.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return undefined;
  return {
    url: `${e.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, '')}/v1/traces`,
    headers: Object.fromEntries((e.OTEL_EXPORTER_OTLP_HEADERS ?? '').split(',').flatMap(header)),
    serviceName: e.OTEL_SERVICE_NAME,
    ratio: e.OTEL_TRACES_SAMPLER_ARG,
  };
}

function header(pair: string): [string, string][] {
  const at = pair.indexOf('=');
  if (at < 1) return [];
  return [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())]];
}

function temporalTls(e: Environment): TemporalTarget['tls'] {
  const read = (file?: string) => (file === undefined ? undefined : readFileSync(file));
  const {
    TEMPORAL_TLS_CERT: cert,
    TEMPORAL_TLS_KEY: key,
    TEMPORAL_TLS_CA: ca,
    TEMPORAL_TLS_SERVER_NAME: serverName,
  } = e;
  if (!cert && !key && !ca && !serverName) return undefined;
  if (!cert !== !key)
    throw new ConfigError('TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY are wanted together.');
  return { cert: read(cert), key: read(key), ca: read(ca), serverName };
}
