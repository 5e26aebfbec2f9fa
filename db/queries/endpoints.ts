import { sql, type Selectable } from 'kysely';
import type { EndpointId, TenantId } from '../../domain/ids.ts';
import {
  maskHeaders,
  unmaskHeaders,
  type NewWebhookEndpoint,
  type WebhookEndpoint,
  type WebhookEndpointPatch,
} from '../../domain/webhook.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Database } from '../schema.ts';

const PURPOSE = 'webhook-endpoint';

type EndpointRow = Selectable<Database['webhook_endpoints']>;
type Headers = Record<string, string>;

/** A repeat under the same id (its answer was lost) takes the place of the first. */
export async function createEndpoint(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  { id, secret, ...given }: Omit<NewWebhookEndpoint, 'secret'> & { id: EndpointId; secret: string },
): Promise<WebhookEndpoint> {
  const values = {
    ...given,
    events: [...new Set(given.events)],
    secret: sealSecret(keys, id, secret),
    headers: sealHeaders(keys, id, given.headers),
  };
  const row = await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('webhook_endpoints')
      .values({ id, tenant_id: tenantId, ...values })
      .onConflict((oc) => oc.column('id').doUpdateSet(values))
      .returningAll()
      .executeTakeFirstOrThrow(),
  );
  return presentEndpoint(row, keys);
}

/** A live endpoint, or null. */
export async function readEndpoint(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  id: string,
): Promise<WebhookEndpoint | null> {
  const row = await inTenant(db, tenantId, (tx) =>
    live(tx, tenantId).where('id', '=', id).executeTakeFirst(),
  );
  return row ? presentEndpoint(row, keys) : null;
}

/** Newest first; `limit + 1` rows, where there are as many. */
export async function listEndpoints(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  { before, limit }: { before: string | null; limit: number },
): Promise<WebhookEndpoint[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    live(tx, tenantId)
      .$if(before !== null, (query) => query.where('id', '<', before))
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute(),
  );
  return rows.map((row) => presentEndpoint(row, keys));
}

/** Changes what is given; null where there is no such endpoint. Deliveries under way use the new values. */
export async function updateEndpoint(
  db: Db,
  keys: KeyRing,
  tenantId: TenantId,
  id: string,
  { secret, headers, ...plain }: WebhookEndpointPatch,
): Promise<WebhookEndpoint | null> {
  const row = await inTenant(db, tenantId, async (tx) => {
    const former = await live(tx, tenantId).where('id', '=', id).forUpdate().executeTakeFirst();
    if (!former) return null;
    const change = {
      ...plain,
      ...(secret === undefined ? {} : { secret: sealSecret(keys, id, secret) }),
      ...(headers && {
        headers: sealHeaders(keys, id, unmaskHeaders(headers, openHeaders(keys, former))),
      }),
    };
    if (Object.keys(change).length === 0) return former;
    return tx
      .updateTable('webhook_endpoints')
      .set(change)
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
  });
  return row ? presentEndpoint(row, keys) : null;
}

/** The row and its deliveries stay readable; what is still pending fails at its next attempt. False: no such endpoint. */
export async function deleteEndpoint(db: Db, tenantId: TenantId, id: string): Promise<boolean> {
  const { numUpdatedRows } = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('webhook_endpoints')
      .set({ deleted_at: sql<Date>`now()`, is_active: false })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .executeTakeFirst(),
  );
  return numUpdatedRows === 1n;
}

export function openSecret(keys: KeyRing, row: Pick<EndpointRow, 'id' | 'secret'>): string {
  return keys.open(PURPOSE, row.secret, row.id).toString('utf8');
}

export function openHeaders(keys: KeyRing, row: Pick<EndpointRow, 'id' | 'headers'>): Headers {
  if (row.headers === null) return {};
  return keys.openJson(PURPOSE, row.headers, `${row.id}/headers`) as Headers; // sealHeaders wrote it
}

function sealSecret(keys: KeyRing, id: string, secret: string): Buffer {
  return keys.seal(PURPOSE, Buffer.from(secret, 'utf8'), id);
}

function sealHeaders(keys: KeyRing, id: string, headers: Headers): Buffer | null {
  if (Object.keys(headers).length === 0) return null;
  return keys.sealJson(PURPOSE, headers, `${id}/headers`);
}

function live(tx: Tx, tenantId: TenantId) {
  return tx
    .selectFrom('webhook_endpoints')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('deleted_at', 'is', null);
}

function presentEndpoint(row: EndpointRow, keys: KeyRing): WebhookEndpoint {
  return {
    id: row.id,
    url: row.url,
    events: row.events as WebhookEndpoint['events'], // checked when they were written
    description: row.description,
    headers: maskHeaders(openHeaders(keys, row)),
    timeout_seconds: row.timeout_seconds,
    max_retries: row.max_retries,
    verify_ssl: row.verify_ssl,
    is_active: row.is_active,
    delivery_mode: row.delivery_mode,
    created_at: row.created_at.toISOString(),
  };
}
