import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Db } from '../db/connection.ts';
import { changeTenantSettings, createApiKey, ensureTenant } from '../db/queries/tenants.ts';

export const DEMO_TENANT = 'demo';
export const DEMO_ADDRESS = 'support@demo.example';

/** Loopback: the demo's webhooks go to receivers on this machine. */
const LOOPBACK = ['127.0.0.0/8', '::1/128'];

const CHANNEL = {
  provider: 'smtp',
  name: 'Support',
  address: DEMO_ADDRESS,
  settings: {},
};

const POLICY = {
  name: 'Standard',
  // Last: a policy that is made with some condition counts before it.
  position: 100,
  targets: {
    low: { first_response_minutes: 480, next_response_minutes: 960, resolution_minutes: 5760 },
    normal: { first_response_minutes: 240, next_response_minutes: 480, resolution_minutes: 2880 },
    high: { first_response_minutes: 60, next_response_minutes: 120, resolution_minutes: 960 },
    urgent: { first_response_minutes: 15, next_response_minutes: 30, resolution_minutes: 240 },
  },
  escalations: [{ level: 1, after_minutes: 30, actions: [{ type: 'raise_priority' }] }],
};

/**
 * On a home's first start makes the tenant with a key, a mail channel and an SLA policy, the latter
 * through the API as any caller would. Returns the key; null where an earlier start has done it.
 * A start that was killed in between is made good by the next.
 */
export async function ensureDemoTenant(
  db: Db,
  home: string,
  apiUrl: string,
): Promise<string | null> {
  const done = join(home, 'demo.done');
  if (existsSync(done)) return null;
  const tenant = await ensureTenant(db, DEMO_TENANT);
  await changeTenantSettings(db, tenant, { allow_private_targets: LOOPBACK });
  const { key } = await createApiKey(db, tenant, 'first key', ['*']);
  await createUnlessThere(apiUrl, key, '/v1/channels', CHANNEL);
  await createUnlessThere(apiUrl, key, '/v1/sla-policies', POLICY);
  writeFileSync(done, '');
  return key;
}

async function createUnlessThere(
  apiUrl: string,
  key: string,
  path: string,
  body: { readonly name: string },
): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const listed = await fetch(`${apiUrl}${path}`, { headers });
  const { data } = (await checked(listed, `GET ${path}`)) as { data: { name: string }[] }; // a list, by contract
  if (data.some(({ name }) => name === body.name)) return;
  const made = await fetch(`${apiUrl}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  await checked(made, `POST ${path}`);
}

async function checked(response: Response, what: string): Promise<unknown> {
  const text = await response.text();
  if (!response.ok)
    throw new Error(
      `The demo tenant could not be set up: ${what} answered ${response.status}: ${text}`,
    );
  return JSON.parse(text);
}
