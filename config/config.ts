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

export interface Config {
  readonly home: string;
  readonly host: string;
  readonly apiPort: number;
  readonly smtp: { port: number; maxBytes: number; certFile?: string; keyFile?: string };
  readonly masterKey?: string;
  readonly publicUrl: string;
  readonly allowPrivateTargets: readonly string[];
  readonly ratePerMinute: number;
  readonly databaseUrl?: string;
  readonly databasePool: number;
  readonly temporal: TemporalTarget;
  readonly temporalPort: number;
  readonly temporalUiPort: number;
  readonly postgresPort: number;
  readonly logLevel: Environment['POSTROOM_LOG_LEVEL'];
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
    production: e.NODE_ENV === 'production',
    environment: merged,
  };
}

const SECRET = /KEY|PASSWORD|SECRET|TOKEN|DATABASE_URL/;

function readDotEnv(): Record<string, string | undefined> {
  return existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
}

/** `NAME=` in a compose file means "not set". */
function withoutEmpty(env: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
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
