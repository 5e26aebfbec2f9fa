import { sql } from 'kysely';
import type { ChannelId, TenantId } from '../../domain/ids.ts';
import type { MessageTemplate } from '../../domain/message-template.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import { insertRows } from './insert-rows.ts';
import { dueAfterReading } from './read-again.ts';

/** What can't be read is tried again after so long. */
export const TEMPLATES_AGAIN_SECONDS = 300;

interface Channel {
  readonly tenantId: TenantId;
  readonly id: ChannelId;
}

/** Makes the stored templates of a channel be those of its account: changed ones replaced, vanished ones removed. */
export async function storeTemplates(
  db: Db,
  { tenantId, id }: Channel,
  templates: readonly MessageTemplate[],
  now: Date,
): Promise<void> {
  const rows = unique(templates).map((definition) => ({
    tenant_id: tenantId,
    channel_id: id,
    name: definition.name,
    language: definition.language,
    definition,
    synced_at: now,
  }));
  await inTenant(db, tenantId, async (tx) => {
    // Two syncs at once would otherwise each remove what the other has just read.
    await sql`select pg_advisory_xact_lock(hashtextextended(${`templates ${id}`}, 0))`.execute(tx);
    await tx.deleteFrom('message_templates').where('channel_id', '=', id).execute();
    await insertRows(tx, 'message_templates', rows);
    await tx
      .updateTable('channels')
      .set({ templates_due_at: dueAfterReading('templates_due_at') })
      .where('id', '=', id)
      .execute();
  });
}

/** By name, then language. @param after the last one shown */
export async function listTemplates(
  db: Db,
  { tenantId, id }: Channel,
  { after, limit }: { after: readonly [string, string] | null; limit: number },
): Promise<(MessageTemplate & { readonly synced_at: Date })[]> {
  const rows = await inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('message_templates')
      .select(['definition', 'synced_at'])
      .where('channel_id', '=', id)
      .$if(after !== null, (query) =>
        query.where(sql<boolean>`(name, language) > (${after![0]}, ${after![1]})`),
      )
      .orderBy('name')
      .orderBy('language')
      .limit(limit)
      .execute(),
  );
  return rows.map(({ definition, synced_at }) => ({ ...asTemplate(definition), synced_at }));
}

/** A template in all its languages. */
export async function templatesNamed(
  tx: Tx,
  channelId: string,
  name: string,
): Promise<MessageTemplate[]> {
  const rows = await tx
    .selectFrom('message_templates')
    .select('definition')
    .where('channel_id', '=', channelId)
    .where('name', '=', name)
    .orderBy('language')
    .execute();
  return rows.map(({ definition }) => asTemplate(definition));
}

/**
 * Takes it on to read the account's templates, where that is due; what whoever takes it on does not finish is due again
 * soon.
 */
export async function claimTemplates(db: Db, { tenantId, id }: Channel): Promise<boolean> {
  const { numUpdatedRows } = await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({
        templates_due_at: sql<Date>`now() + ${TEMPLATES_AGAIN_SECONDS} * interval '1 second'`,
      })
      .where('id', '=', id)
      .where(sql<boolean>`coalesce(templates_due_at, '-infinity') <= now()`)
      .executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

function unique(templates: readonly MessageTemplate[]): MessageTemplate[] {
  return [...new Map(templates.map((one) => [`${one.name} ${one.language}`, one])).values()];
}

/** storeTemplates wrote it. */
function asTemplate(definition: unknown): MessageTemplate {
  return definition as MessageTemplate;
}
