import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import { withinHour, type SentWithinHour } from '../../domain/loop-guard.ts';
import type { Tx } from '../connection.ts';
import { addressKey } from './known-contacts.ts';

export interface Sent {
  readonly address: string;
  readonly subjectKey: string;
}

/**
 * Counts fresh messages by sender, and by sender and subject, and says what each has sent within the last hour, in the
 * order given. One statement a batch, whatever was stored before.
 */
export async function countSent(
  tx: Tx,
  tenantId: TenantId,
  sent: readonly Sent[],
  now: Date,
): Promise<SentWithinHour[]> {
  if (sent.length === 0) return [];
  const keys = sent.map(keysOf);
  const added = new Map<string, number>();
  for (const key of keys.flatMap(({ sender, thread }) => [sender, thread]))
    added.set(key, (added.get(key) ?? 0) + 1);
  const rows = [...added].map(([sender, messages]) => ({ sender, messages }));
  const hour = new Date(Math.floor(now.getTime() / 3_600_000) * 3_600_000);
  const before = new Date(hour.getTime() - 3_600_000);
  const counted = await sql<{ sender: string; messages: number; before: number }>`
    with forgotten as (
      delete from sender_hours where tenant_id = ${tenantId} and hour < ${before}
    ), counted as (
      insert into sender_hours (tenant_id, hour, sender, messages)
      select ${tenantId}, ${hour}, decode(d.sender, 'hex'), d.messages
        from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as d(sender text, messages int)
      on conflict (tenant_id, hour, sender) do update set messages = sender_hours.messages + excluded.messages
      returning sender, messages
    )
    select encode(c.sender, 'hex') as sender, c.messages, coalesce(p.messages, 0) as before
      from counted c left join sender_hours p
        on p.tenant_id = ${tenantId} and p.hour = ${before} and p.sender = c.sender`.execute(tx);
  const totals = new Map(
    counted.rows.map((row) => [row.sender, withinHour(row.messages, row.before, now)]),
  );
  return keys.map(({ sender, thread }) => ({
    messages: totals.get(sender) ?? 0,
    underSubject: totals.get(thread) ?? 0,
  }));
}

function keysOf({ address, subjectKey }: Sent): { sender: string; thread: string } {
  const person = addressKey(address);
  return { sender: hashOf([person]), thread: hashOf([person, subjectKey]) };
}

function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
