import { sql, type RawBuilder } from 'kysely';
import type { TenantId } from '../../domain/ids.ts';
import type { ChannelNews, PendingWork, WrittenDelivery } from '../../workflows/contracts/relay.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { OutboxKind } from '../schema.ts';

/** How long a writer has to hand its work to Temporal before the drain takes it; twice what one hand-over may last. */
const LEASE = '10 seconds';

/** A statement that leaves a channel to be nudged, and what is to be done with its answer. */
export interface Nudge {
  readonly statement: RawBuilder<{ version: number }>;
  readonly taken: (rows: readonly { version: number }[]) => void;
}

/** Collects, inside one transaction, what must reach Temporal after it: `new Pending(tenant)`, commit, `relay.flush(pending)`. */
export class Pending implements PendingWork {
  readonly tenantId: TenantId;
  readonly channels = new Map<string, ChannelNews & { version: number }>();
  readonly ticketStarts = new Map<
    string,
    { wakeAt: string | null; summary: string; version: number }
  >();
  readonly ticketWakes = new Map<string, { summary: string; version: number }>();
  readonly deliveries: PendingWork['deliveries'][number][] = [];
  readonly written = new Map<string, WrittenDelivery>();
  streamed = false;

  constructor(tenantId: TenantId) {
    this.tenantId = tenantId;
  }

  /**
   * The channel's workflow is to be started or nudged; `changed` where what the admin wants has changed, `news` where
   * its vendor called: of mail, or of a push subscription that is to be made anew.
   */
  async channel(
    tx: Tx,
    channelId: string,
    provider: string,
    changed: boolean,
    news?: 'mail' | 'watch',
  ): Promise<void> {
    const detail = { provider, changed, push: news !== undefined, renew: news === 'watch' };
    const [row] = await put(tx, this.tenantId, 'channel', [{ ref: channelId, detail }]);
    this.channels.set(channelId, { ...detail, version: row!.version });
  }

  /**
   * The same as a statement to be sent with others: the channel's workflow is to be nudged where it then holds that
   * there is something new. What it answers is to be `taken`.
   */
  nudge(channelId: string, provider: string, isNew: RawBuilder<boolean>): Nudge {
    const detail = { provider, changed: false, push: false, renew: false };
    return {
      statement: putting(this.tenantId, 'channel', [{ ref: channelId, detail }], isNew),
      taken: (rows: readonly { version: number }[]) => {
        for (const { version } of rows) this.channels.set(channelId, { ...detail, version });
      },
    };
  }

  /** New tickets: their workflows start asleep until `wakeAt`, or at once where it is null. */
  async startTickets(
    tx: Tx,
    tickets: readonly { ticketId: string; wakeAt: string | null; summary: string }[],
  ): Promise<void> {
    const rows = tickets.map(({ ticketId, wakeAt, summary }) => ({
      ref: ticketId,
      detail: { wakeAt, summary },
    }));
    for (const { ref, version } of await put(tx, this.tenantId, 'ticket_start', rows)) {
      const { wakeAt, summary } = tickets.find((ticket) => ticket.ticketId === ref)!;
      this.ticketStarts.set(ref, { wakeAt, summary, version });
    }
  }

  /** Tickets whose workflows must look again: a message arrived. */
  async wakeTickets(
    tx: Tx,
    tickets: readonly { ticketId: string; summary: string }[],
  ): Promise<void> {
    const rows = tickets.map(({ ticketId, summary }) => ({ ref: ticketId, detail: { summary } }));
    for (const { ref, version } of await put(tx, this.tenantId, 'ticket_wake', rows)) {
      this.ticketWakes.set(ref, {
        summary: tickets.find((ticket) => ticket.ticketId === ref)!.summary,
        version,
      });
    }
  }
}

interface OutboxItem {
  readonly ref: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

async function put(
  tx: Tx,
  tenantId: TenantId,
  kind: OutboxKind,
  items: readonly OutboxItem[],
): Promise<{ ref: string; version: number }[]> {
  if (items.length === 0) return [];
  return (await putting(tenantId, kind, items).execute(tx)).rows;
}

function putting(
  tenantId: TenantId,
  kind: OutboxKind,
  items: readonly OutboxItem[],
  where: RawBuilder<boolean> = sql<boolean>`true`,
) {
  return sql<{ ref: string; version: number }>`
    insert into outbox (tenant_id, kind, ref, detail, leased_until)
    select ${tenantId}, ${kind}, ref, detail, now() + ${LEASE}::interval
      from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as new(ref text, detail jsonb)
     where ${where}
    on conflict (tenant_id, kind, ref) do update
      -- A change or news waiting to be told is not forgotten by a later mere nudge.
      set detail = excluded.detail || jsonb_build_object(${sql.join(STICKY.map(sticky))}),
          version = outbox.version + 1,
          leased_until = excluded.leased_until
    returning ref, version`;
}

const STICKY = ['changed', 'push', 'renew'];

function sticky(name: string) {
  const is = (row: 'outbox' | 'excluded') =>
    sql`coalesce((${sql.table(row)}.detail->>${sql.lit(name)})::boolean, false)`;
  return sql`${sql.lit(name)}, ${is('outbox')} or ${is('excluded')}`;
}

/** Clears rows that Temporal has accepted, unless a later cause has been added since. */
export async function clearOutbox(
  db: Db,
  tenantId: TenantId,
  done: readonly { kind: OutboxKind; ref: string; version: number }[],
): Promise<void> {
  if (done.length === 0) return;
  await inTenant(db, tenantId, (tx) =>
    sql`delete from outbox o using jsonb_to_recordset(${JSON.stringify(done)}::jsonb) as d(kind text, ref text, version bigint)
         where o.tenant_id = ${tenantId} and (o.kind, o.ref, o.version) = (d.kind, d.ref, d.version)`.execute(
      tx,
    ),
  );
}

/** Takes over what a crash or Temporal's absence left, over all tenants, and returns it as work to flush. */
export async function claimOutbox(db: Db, atMost: number): Promise<PendingWork[]> {
  const claimed = await sql<{ tenant_id: string; kind: OutboxKind; ref: string }>`
    select * from claim_outbox(${atMost}, ${LEASE}::interval)`.execute(db);
  const byTenant = Map.groupBy(claimed.rows, (row) => row.tenant_id as TenantId);
  return Promise.all(
    [...byTenant].map(([tenantId, rows]) =>
      inTenant(db, tenantId, (tx) => load(tx, tenantId, rows)),
    ),
  );
}

async function load(
  tx: Tx,
  tenantId: TenantId,
  claimed: readonly { kind: OutboxKind; ref: string }[],
): Promise<Pending> {
  const rows = await tx
    .selectFrom('outbox')
    .select(['kind', 'ref', 'detail', 'version'])
    .where('tenant_id', '=', tenantId)
    .where(
      'ref',
      'in',
      claimed.map((row) => row.ref),
    )
    .execute();
  const pending = new Pending(tenantId);
  for (const { kind, ref, detail, version } of rows) {
    const given = (detail ?? {}) as {
      provider?: string;
      changed?: boolean;
      push?: boolean;
      renew?: boolean;
      wakeAt?: string | null;
      summary?: string;
    };
    const summary = given.summary ?? '';
    if (kind === 'channel')
      pending.channels.set(ref, {
        provider: given.provider ?? '',
        changed: given.changed ?? false,
        push: given.push ?? false,
        renew: given.renew ?? false,
        version,
      });
    else if (kind === 'ticket_start')
      pending.ticketStarts.set(ref, { wakeAt: given.wakeAt ?? null, summary, version });
    else pending.ticketWakes.set(ref, { summary, version });
  }
  return pending;
}
