import { sql } from 'kysely';
import type { TenantId, TicketId } from '../../domain/ids.ts';
import { readMessageId } from '../../domain/mail/message-id.ts';
import type { ParsedMail } from '../../domain/mail/parse.ts';
import { readPlusAddress, splitPlusAddress } from '../../domain/mail/thread-tokens.ts';
import type { KnownMessageId, ThreadKeys, ThreadLookups } from '../../domain/thread.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import type { Tx } from '../connection.ts';
import { insertRows } from './insert-rows.ts';
import { addressKey } from './known-contacts.ts';
import { lockTickets, type TicketRow } from './tickets.ts';

/** The purpose of the key that our Message-IDs and plus addresses carry a hash of. */
export const THREAD_KEY = 'message-id';

type Mail = Pick<ParsedMail, 'message' | 'threading'>;

/** What a mail says of its thread. */
export interface Threaded {
  readonly message: Pick<Mail['message'], 'sender' | 'to' | 'cc'>;
  readonly threading: Pick<Mail['threading'], 'messageId' | 'references' | 'inReplyTo'>;
}

/** What threads a batch: read in a few queries, then kept up to date as the batch's own tickets come about. */
export class ThreadIndex {
  readonly #tenantId: TenantId;
  readonly #keys: readonly Buffer[];
  readonly #ids = new Map<string, KnownMessageId>();
  readonly #numbers = new Map<number, TicketId>();
  readonly #participants = new Map<TicketId, string[]>();
  readonly #ours = new Set<string>();
  readonly #added = new Map<string, { ticketId: TicketId; cited: boolean }>();
  readonly #followUps = new Map<TicketId, TicketId>();
  #tickets: ReadonlyMap<string, TicketRow> = new Map();

  private constructor(tenantId: TenantId, keys: KeyRing) {
    this.#tenantId = tenantId;
    this.#keys = keys.deriveAll(THREAD_KEY);
  }

  /** Locks every ticket that any of the mails may go to, those named beside too. */
  static async load(
    tx: Tx,
    tenantId: TenantId,
    keys: KeyRing,
    batch: readonly { mail: Mail }[],
    others: readonly string[] = [],
  ): Promise<ThreadIndex> {
    const index = new ThreadIndex(tenantId, keys);
    const mails = batch.map((item) => item.mail);
    await index.#loadIds(tx, mails);
    await index.#loadNumbers(tx, mails);
    await index.#loadOurAddresses(tx);
    const candidates = new Set<string>([
      ...others,
      ...[...index.#ids.values()].map((known) => known.ticketId),
      ...index.#numbers.values(),
      ...mails.flatMap((mail) => [...index.#minted(mail), ...index.#plus(mail)]),
    ]);
    for (const id of await followUpsOf(tx, [...candidates])) candidates.add(id);
    index.#tickets = await lockTickets(tx, [...candidates]);
    for (const row of index.#tickets.values()) {
      if (row.follow_up_of) index.#followUps.set(row.follow_up_of as TicketId, row.id as TicketId);
    }
    await index.#loadParticipants(tx);
    return index;
  }

  /** A ticket that stood before this batch. */
  ticket(id: TicketId): TicketRow | undefined {
    return this.#tickets.get(id);
  }

  /** The ticket that took over from one that has ended, if any. */
  followUpOf(id: TicketId): TicketId | undefined {
    return this.#followUps.get(id);
  }

  /** A follow-up that this batch opens. */
  followUp(from: TicketId, to: TicketId): void {
    this.#followUps.set(from, to);
  }

  /** Whether mail to this address comes to the tenant itself. */
  isOurs(address: string): boolean {
    const base = splitPlusAddress(address)?.base ?? address;
    return this.#ours.has(addressKey(base));
  }

  /**
   * Whether we sent this mail ourselves: its own Message-ID carries our keyed hash, or our header stands on a mail from
   * an address of ours (relays rewrite Message-IDs). A customer's answer bears neither.
   */
  isOurOwn({ message, threading, loopHeaders }: Mail & Pick<ParsedMail, 'loopHeaders'>): boolean {
    if (threading.messageId !== null && this.#readMinted(threading.messageId) !== null) return true;
    return loopHeaders.origins.length > 0 && this.isOurs(message.sender?.address ?? '');
  }

  keysOf({ message, threading }: Mail): ThreadKeys {
    return {
      sender: message.sender?.address ?? null,
      messageId: threading.messageId,
      references: threading.references,
      inReplyTo: threading.inReplyTo,
    };
  }

  lookups(mail: Mail): ThreadLookups {
    const known = (id: TicketId) => this.#tickets.has(id);
    return {
      messageIds: this.#ids,
      mintedTokens: this.#minted(mail).filter(known),
      plusAddresses: this.#plus(mail).filter(known),
      ticketTokens: [...mail.threading.subjectTokens, ...mail.threading.bodyTokens].flatMap(
        (number) => this.#numbers.get(number) ?? [],
      ),
      participants: this.#participants,
    };
  }

  /** A mail has found its ticket: what follows in the batch can refer to it. */
  add(ticketId: TicketId, { message, threading }: Threaded): void {
    if (threading.messageId) this.#note(threading.messageId, ticketId, false);
    for (const id of [...threading.references, ...threading.inReplyTo])
      this.#note(id, ticketId, true);
    const people = [message.sender, ...message.to, ...message.cc].flatMap(
      (person) => person?.address ?? [],
    );
    this.#participants.set(ticketId, [
      ...(this.#participants.get(ticketId) ?? []),
      ...people.filter((address) => !this.isOurs(address)),
    ]);
  }

  /** Writes what the batch taught. */
  async store(tx: Tx): Promise<void> {
    const rows = [...this.#added].map(([message_id, { ticketId, cited }]) => ({
      tenant_id: this.#tenantId,
      message_id,
      ticket_id: ticketId,
      cited,
    }));
    await insertRows(
      tx,
      'thread_ids',
      rows,
      sql`on conflict (tenant_id, message_id) do update set cited = false, ticket_id = excluded.ticket_id
        where thread_ids.cited and not excluded.cited`,
    );
  }

  #note(id: string, ticketId: TicketId, cited: boolean): void {
    const known = this.#ids.get(id);
    // Who has the mail itself has its id: a stranger who merely cites it early gains nothing.
    if (known && (cited || known.origin !== 'referenced')) return;
    this.#ids.set(id, { ticketId, origin: cited ? 'referenced' : 'received' });
    this.#added.set(id, { ticketId, cited });
  }

  async #loadIds(tx: Tx, mails: readonly Mail[]): Promise<void> {
    const ids = new Set(
      mails.flatMap(({ threading }) =>
        [threading.messageId ?? [], threading.references, threading.inReplyTo].flat(),
      ),
    );
    if (ids.size === 0) return;
    const rows = await tx
      .selectFrom('thread_ids')
      .select(['message_id', 'ticket_id', 'cited'])
      .where('tenant_id', '=', this.#tenantId)
      .where(sql<boolean>`message_id = any(${[...ids]})`)
      .execute();
    for (const row of rows) {
      const minted = this.#readMinted(row.message_id) !== null;
      const origin = minted ? 'minted' : row.cited ? 'referenced' : 'received';
      this.#ids.set(row.message_id, { ticketId: row.ticket_id as TicketId, origin });
    }
  }

  async #loadNumbers(tx: Tx, mails: readonly Mail[]): Promise<void> {
    const numbers = new Set(
      mails.flatMap(({ threading }) => [...threading.subjectTokens, ...threading.bodyTokens]),
    );
    if (numbers.size === 0) return;
    const rows = await tx
      .selectFrom('tickets')
      .select(['id', 'number'])
      .where('tenant_id', '=', this.#tenantId)
      .where('number', 'in', [...numbers])
      .execute();
    for (const row of rows) this.#numbers.set(row.number, row.id as TicketId);
  }

  async #loadOurAddresses(tx: Tx): Promise<void> {
    const rows = await tx
      .selectFrom('channel_addresses')
      .select('address')
      .where('tenant_id', '=', this.#tenantId)
      .execute();
    for (const row of rows) this.#ours.add(addressKey(row.address));
  }

  async #loadParticipants(tx: Tx): Promise<void> {
    if (this.#tickets.size === 0) return;
    const rows = await tx
      .selectFrom('ticket_participants')
      .innerJoin(
        'contact_addresses',
        'contact_addresses.contact_id',
        'ticket_participants.contact_id',
      )
      .select(['ticket_participants.ticket_id', 'contact_addresses.address'])
      .where('ticket_participants.ticket_id', 'in', [...this.#tickets.keys()])
      .execute();
    for (const [ticketId, group] of Map.groupBy(rows, (row) => row.ticket_id)) {
      this.#participants.set(
        ticketId as TicketId,
        group.map((row) => row.address),
      );
    }
  }

  #minted({ threading }: Mail): TicketId[] {
    return [...threading.references, ...threading.inReplyTo].flatMap(
      (id) => this.#readMinted(id) ?? [],
    );
  }

  #readMinted(id: string): TicketId | null {
    for (const key of this.#keys) {
      const read = readMessageId(id, key, this.#tenantId);
      if (read) return read.ticketId;
    }
    return null;
  }

  #plus({ threading }: Mail): TicketId[] {
    return threading.deliveredTo.flatMap((address) =>
      this.#keys.flatMap(
        (key) => readPlusAddress(address, { tenantId: this.#tenantId, key }) ?? [],
      ),
    );
  }
}

/** Tickets that took over from these, and from those in turn. */
async function followUpsOf(tx: Tx, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    with recursive later as (
      select id from tickets where follow_up_of = any(${ids})
      union select t.id from tickets t join later on t.follow_up_of = later.id
    ) select id from later order by id`.execute(tx);
  return rows.map((row) => row.id);
}
