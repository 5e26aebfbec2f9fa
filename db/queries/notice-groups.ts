import { sql } from 'kysely';
import type { TicketId } from '../../domain/ids.ts';
import type { NoticeGroup } from '../../domain/rules/evaluate.ts';
import type { Tx } from '../connection.ts';
import type { IngestingChannel, Item } from './ingest-item.ts';
import { insertRows } from './insert-rows.ts';

const HOUR_MS = 3_600_000;

interface Known {
  readonly ticketId: TicketId;
  readonly until: Date;
}

/**
 * Which ticket notices without threading headers go to, by their rule's key: read and written in one statement each a
 * batch, and kept up to date within it. Times are those of the mail, so that an import groups as the day itself did.
 */
export class NoticeGroups {
  readonly #channel: IngestingChannel;
  readonly #known = new Map<string, Known>();
  readonly #noted = new Set<string>();

  private constructor(channel: IngestingChannel) {
    this.#channel = channel;
  }

  static async load(
    tx: Tx,
    channel: IngestingChannel,
    items: readonly Item[],
  ): Promise<NoticeGroups> {
    const groups = new NoticeGroups(channel);
    const keys = [...new Set(items.flatMap(({ verdict }) => verdict.group?.key ?? []))];
    if (keys.length === 0) return groups;
    const rows = await tx
      .selectFrom('notice_groups')
      .select(['key', 'ticket_id', 'until'])
      .where('channel_id', '=', channel.id)
      .where(
        'key',
        'in',
        keys.map((key) => Buffer.from(key, 'hex')),
      )
      .execute();
    for (const row of rows)
      groups.#known.set(row.key.toString('hex'), {
        ticketId: row.ticket_id as TicketId,
        until: row.until,
      });
    return groups;
  }

  /** Tickets that notices of this batch may go to. */
  get ticketIds(): string[] {
    return [...this.#known.values()].map(({ ticketId }) => ticketId);
  }

  /** The ticket of the notice before, where this one came in time. */
  ticketOf({ verdict, mail }: Item): TicketId | null {
    const known = verdict.group && this.#known.get(verdict.group.key);
    return known && receivedAt(mail) <= known.until ? known.ticketId : null;
  }

  /** The next notice with this key goes to this ticket, for as long as the rule says. */
  note({ verdict, mail }: Item, ticketId: TicketId): void {
    const { group } = verdict;
    if (!group) return;
    const until = untilOf(group, receivedAt(mail));
    const before = this.#known.get(group.key);
    const later = before?.ticketId === ticketId && before.until > until ? before.until : until;
    this.#known.set(group.key, { ticketId, until: later });
    this.#noted.add(group.key);
  }

  /** Writes what the batch taught, and forgets what is too old for any span. */
  async store(tx: Tx): Promise<void> {
    if (this.#noted.size === 0) return;
    const { tenantId, id } = this.#channel;
    await sql`delete from notice_groups where tenant_id = ${tenantId} and noted_at < now() - interval '31 days'`.execute(
      tx,
    );
    await insertRows(
      tx,
      'notice_groups',
      [...this.#noted].map((key) => {
        const { ticketId, until } = this.#known.get(key)!;
        return {
          tenant_id: tenantId,
          channel_id: id,
          key: `\\x${key}`,
          ticket_id: ticketId,
          until,
          noted_at: new Date(),
        };
      }),
      sql`on conflict (channel_id, key) do update
        set ticket_id = excluded.ticket_id, until = excluded.until, noted_at = excluded.noted_at`,
    );
  }
}

function receivedAt(mail: Item['mail']): Date {
  return new Date(mail.message.received_at);
}

function untilOf({ hours }: NoticeGroup, from: Date): Date {
  return new Date(from.getTime() + hours * HOUR_MS);
}
