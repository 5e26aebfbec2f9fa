import { ConfigError, type Config } from '../config/config.ts';
import type { Db } from '../db/connection.ts';
import { revokeApiKey } from '../db/queries/api-keys.ts';
import { createApiKey, ensureTenant } from '../db/queries/tenants.ts';
import { settingsFromEnvironment } from '../providers/environment.ts';
import { providers } from '../providers/registry.ts';
import { DEMO_TENANT } from './demo-tenant.ts';

interface WantedChannel {
  readonly provider: string;
  readonly name: string;
  readonly settings: Record<string, unknown>;
}

/**
 * A single-account installation names its account in the environment: the provider's one channel is brought up to
 * date at every start, and made where there is none.
 * @throws ConfigError naming each variable that can't be used.
 */
export async function ensureEnvironmentChannels(
  db: Db,
  config: Config,
  apiUrl: string,
): Promise<void> {
  const wanted = wantedChannels(config);
  if (wanted.length === 0) return;
  const tenant = await ensureTenant(db, DEMO_TENANT);
  const { id, key } = await createApiKey(db, tenant, 'channels of the environment', [
    'channels:read',
    'channels:admin',
  ]);
  try {
    const { data } = (await call(apiUrl, key, 'GET', '/v1/channels?limit=200')) as {
      data: { id: string; provider: string }[];
    }; // by contract
    for (const { provider, name, settings } of wanted) {
      const known = data.find((channel) => channel.provider === provider);
      if (known) await call(apiUrl, key, 'PATCH', `/v1/channels/${known.id}`, { settings });
      else await call(apiUrl, key, 'POST', '/v1/channels', { provider, name, settings });
    }
  } finally {
    await revokeApiKey(db, tenant, id);
  }
}

function wantedChannels(config: Config): WantedChannel[] {
  return providers.flatMap(({ manifest }) => {
    const found = settingsFromEnvironment(manifest, config.environment);
    if ('problems' in found)
      throw new ConfigError(
        `The ${manifest.title} account of the environment can't be used:\n  ${found.problems.join('\n  ')}`,
      );
    if (found.settings === null) return [];
    const settings = found.settings as Record<string, unknown>; // every provider's settings are an object
    return [{ provider: manifest.name, name: `${manifest.title} (environment)`, settings }];
  });
}

async function call(
  apiUrl: string,
  key: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await fetch(apiUrl + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(
      `A channel of the environment could not be made: ${method} ${path} answered ${response.status}: ${text}`,
    );
  return JSON.parse(text);
}
