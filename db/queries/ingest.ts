import type { MessageId, TicketId } from '../../domain/ids.ts';
import { isFresh, loopReason } from '../../domain/loop-guard.ts';
import type { MailAddress, Message } from '../../domain/message.ts';
import type { Filtered } from '../../domain/rules/evaluate.ts';
import type { TicketRules } from '../../domain/ticket-lifecycle.ts';
import type { KeyRing } from '../../security/key-ring.ts';
import { inTenant, type Db, type Tx } from '../connection.ts';
import type { Actor } from '../schema.ts';
import { adoptEchoes } from './adopt-echoes.ts';
import { insertAudit } from './audit.ts';
import { addressKey, findOrAddContacts, UNKNOWN_SENDER } from './known-contacts.ts';
import { markBounced } from './bounces.ts';
import { ChatIndex } from './chat-index.ts';
import { writeEvents } from './events.ts';
import { keepFiltered, type FilteredItem } from './filtered.ts';
import {
  isAutomatic,
  receivedEvents,
  type IngestingChannel,
  type Item,
  type ParsedSource,
  type Placed,
} from './ingest-item.ts';
import type { IngestContext } from './ingest-context.ts';
import { isBesides, takeBesides } from './ingest-besides.ts';
import { keepChats } from './ingest-chats.ts';
import { storeMessages } from './ingest-messages.ts';
import { queueNotices } from './ingest-notices.ts';
import { inThreadOrder, placeAll } from './ingest-places.ts';
import { finishSources, lockStaged, withoutKnown, withoutOwn } from './ingest-sources.ts';
import { lockIngestion } from './ingestion-lock.ts';
import { NoticeGroups } from './notice-groups.ts';
import { Pending } from './outbox.ts';
import { assignableTargets, ticketByRules } from './rule-targets.ts';
import { withRequesters } from './requesters.ts';
import { countSent } from './sender-hours.ts';
import { ThreadIndex } from './thread-index.ts';
import { announceTickets, changeTickets, type TicketChange } from './ticket-changes.ts';
import { loadTicketRules } from './ticket-rules.ts';
import { receivedText } from './ticket-search.ts';
import {
  createTickets,
  mustWake,
  startOf,
  wakeOf,
  type NewTicket,
  type TicketRow,
} from './tickets.ts';

export interface Ingested {
  readonly pending: Pending;
  /** Messages that are new; duplicates and our own mail coming back are not. */
  readonly messages: number;
  /** What turned mail away, once for each. */
  readonly filtered: readonly Filtered['by'][];
}

/**
 * Deduplicates, threads and stores a batch in one transaction, with tickets, events and what must reach Temporal.
 * Run again on the same sources it does nothing: a source leaves `staged` in the transaction that stored its message.
 */
export async function ingestBatch(
  db: Db,
  keys: KeyRing,
  channel: IngestingChannel,
  batch: readonly ParsedSource[],
): Promise<Ingested> {
  const pending = new Pending(channel.tenantId);
  const filtered: Filtered['by'][] = [];
  const messages = await inTenant(db, channel.tenantId, async (tx) => {
    await lockIngestion(tx, channel.tenantId);
    const ingestion = new Ingestion(tx, pending, channel, keys);
    const stored = await ingestion.run(batch);
    filtered.push(...ingestion.filtered);
    return stored;
  });
  return { pending, messages, filtered };
}

/** One batch in one transaction. */
class Ingestion {
  readonly #tx: Tx;
  readonly #pending: Pending;
  readonly #channel: IngestingChannel;
  readonly #keys: KeyRing;
  readonly #now = new Date();
  readonly filtered: Filtered['by'][] = [];

  constructor(tx: Tx, pending: Pending, channel: IngestingChannel, keys: KeyRing) {
    this.#tx = tx;
    this.#pending = pending;
    this.#channel = channel;
    this.#keys = keys;
  }

  async run(batch: readonly ParsedSource[]): Promise<number> {
    const staged = await lockStaged(this.#tx, batch);
    const fresh = await withoutKnown(this.#tx, this.#channel, await this.#withoutFiltered(staged));
    if (fresh.length === 0) return 0;
    const rules = await loadTicketRules(this.#tx, this.#channel.tenantId);
    const chats = await ChatIndex.load(this.#tx, this.#channel, fresh);
    const said = fresh.filter((item) => !isBesides(item));
    const stored = said.length === 0 ? 0 : await this.#take(said, rules, chats);
    if (said.length === fresh.length) return stored;
    return stored + (await takeBesides(this.#context(rules), fresh.filter(isBesides), chats));
  }

  #context(rules: TicketRules): IngestContext {
    return {
      tx: this.#tx,
      pending: this.#pending,
      channel: this.#channel,
      rules,
      now: this.#now,
    };
  }

  /** What customers wrote. */
  async #take(fresh: readonly Item[], rules: TicketRules, chats: ChatIndex): Promise<number> {
    const groups = await NoticeGroups.load(this.#tx, this.#channel, fresh);
    const index = await ThreadIndex.load(this.#tx, this.#channel.tenantId, this.#keys, fresh, [
      ...groups.ticketIds,
      ...chats.ticketIds,
    ]);
    const foreign = await withoutOwn(this.#tx, fresh, index, this.#now);
    const asked = await withRequesters(this.#tx, foreign, index);
    const placed = await this.#withoutUnwanted(
      placeAll(inThreadOrder(asked), index, groups, chats, rules, this.#now),
    );
    const items = placed.map(({ item }) => item);
    if (items.length === 0) return 0;
    const contacts = await findOrAddContacts(
      this.#tx,
      this.#channel.tenantId,
      items.flatMap((item) => this.#peopleOf(item, index)),
    );
    const contactsOf = (item: Item) =>
      this.#peopleOf(item, index).map(({ address }) => contacts.get(addressKey(address))!);

    const loops = await this.#findLoops(placed);
    const created = await this.#createTickets(placed, rules, contactsOf);
    const messages = await storeMessages(this.#tx, this.#channel, placed);
    await index.store(this.#tx);
    await groups.store(this.#tx);
    await keepChats(this.#tx, this.#channel, placed, contactsOf);
    const told = await queueNotices(this.#tx, this.#channel, this.#keys, {
      created,
      placed,
      index,
      loops,
      now: this.#now,
    });
    await this.#announceNew(await this.#muteNew(created, loops), placed, messages, told);
    await this.#joinExisting(placed, messages, index, rules, contactsOf, { loops, told });
    await this.#announceTicketless(placed, messages);
    await adoptEchoes(this.#context(rules), placed, chats);
    await finishSources(this.#tx, this.#channel, items, this.#now);
    return items.length;
  }

  /** Leaves out what the channel's rules turn away, whatever it belongs to. */
  async #withoutFiltered(items: readonly Item[]): Promise<Item[]> {
    await this.#keepFiltered(
      items.flatMap((item) => {
        const { filtered } = item.verdict;
        return filtered ? [{ item, filtered }] : [];
      }),
    );
    return items.filter(({ verdict }) => verdict.filtered === null);
  }

  /** Leaves out what would begin a ticket without a keyword that the channel wants. */
  async #withoutUnwanted(placed: readonly (Placed | FilteredItem)[]): Promise<Placed[]> {
    const unwanted = placed.filter((one) => 'filtered' in one);
    await this.#keepFiltered(unwanted);
    return placed.filter((one) => 'effect' in one);
  }

  async #keepFiltered(items: readonly FilteredItem[]): Promise<void> {
    await keepFiltered(this.#tx, this.#channel, items);
    this.filtered.push(...items.map(({ filtered }) => filtered.by));
  }

  /** Tickets on which a machine without any sign of being one seems to answer, with the reason. */
  async #findLoops(placed: readonly Placed[]): Promise<Map<TicketId, string>> {
    const said = placed.flatMap(({ item, ticketId }) => {
      const { message, threading } = item.mail;
      const address = message.sender?.address ?? '';
      // A chat's turns are short and many; nothing answers them by itself.
      const counts = ticketId !== null && address !== '' && !isAutomatic(item) && !item.chat;
      if (!counts || !isFresh(message.timestamp, this.#now)) return [];
      return [{ ticketId, address, subjectKey: threading.subjectKey }];
    });
    const sent = await countSent(this.#tx, this.#channel.tenantId, said, this.#now);
    return new Map(
      said.flatMap(({ ticketId, address }, place) => {
        const reason = loopReason(address, sent[place]!);
        return reason === null ? [] : [[ticketId, reason] as const];
      }),
    );
  }

  async #muteNew(
    created: readonly TicketRow[],
    loops: ReadonlyMap<TicketId, string>,
  ): Promise<TicketRow[]> {
    const rows = created.map((row) => ({ ...row, muted: loops.has(row.id as TicketId) }));
    const muted = rows.filter((ticket) => ticket.muted);
    if (muted.length === 0) return rows;
    await this.#tx
      .updateTable('tickets')
      .set({ muted: true })
      .where(
        'id',
        'in',
        muted.map((ticket) => ticket.id),
      )
      .execute();
    await insertAudit(
      this.#tx,
      muted.map((ticket) => ({
        tenantId: this.#channel.tenantId,
        ticketId: ticket.id,
        actor: { type: 'ingestion', id: this.#channel.id } as const,
        action: 'ticket.muted',
        reason: loops.get(ticket.id as TicketId)!,
        changes: { muted: [false, true] as [unknown, unknown] },
        at: this.#now,
      })),
    );
    return rows;
  }

  /** Who takes part in a message: whoever asks by a rule, or its sender, first, then To and Cc; never ourselves. */
  #peopleOf(item: Item, index: ThreadIndex): MailAddress[] {
    const { sender, to, cc } = item.mail.message;
    const { requester } = item.verdict;
    const others = isAutomatic(item) ? [] : [...to, ...cc];
    const people = [
      ...(requester && !index.isOurs(requester.address) ? [requester] : []),
      sender ?? UNKNOWN_SENDER,
      ...others.filter(({ address }) => address.includes('@') && !index.isOurs(address)),
    ];
    return people.map(({ name, address }) => ({
      name,
      address: address.trim() === '' ? UNKNOWN_SENDER.address : address,
    }));
  }

  async #createTickets(
    placed: readonly Placed[],
    rules: TicketRules,
    contactsOf: (item: Item) => string[],
  ): Promise<TicketRow[]> {
    const beginning = placed.filter((one) => one.effect === 'create');
    const targets = await assignableTargets(
      this.#tx,
      beginning.map(({ item }) => item.verdict),
    );
    const tickets = beginning.map((one): NewTicket => {
      const { message } = one.item.mail;
      const all = placed.filter((other) => other.ticketId === one.ticketId);
      const people = [...new Set(all.flatMap((other) => contactsOf(other.item)))];
      return {
        id: one.ticketId!,
        subject: one.item.chat?.subject ?? message.subject ?? '',
        channel: this.#channel.provider,
        accountId: this.#channel.id,
        requesterId: contactsOf(one.item)[0]! as NewTicket['requesterId'],
        participants: people as NewTicket['participants'][number][],
        ...ticketByRules(one.item.verdict, targets),
        priority: one.item.verdict.priority ?? message.priority,
        followUpOf: one.followUpOf,
        messages: all.length,
        events: 1 + all.length,
        text: all.map((other) => receivedText(other.item.mail.message)).join('\n'),
      };
    });
    const actor: Actor = { type: 'ingestion', id: this.#channel.id };
    return createTickets(this.#tx, this.#channel.tenantId, rules, tickets, actor, this.#now);
  }

  async #announceNew(
    created: readonly TicketRow[],
    placed: readonly Placed[],
    messages: ReadonlyMap<MessageId, Message>,
    told: ReadonlySet<string>,
  ): Promise<void> {
    const records = created.map((ticket) => ({
      ticket,
      events: [
        { type: 'ticket.created' as const },
        ...receivedEvents(
          placed.filter((one) => one.ticketId === ticket.id),
          messages,
        ),
      ],
    }));
    await announceTickets(this.#tx, this.#pending, records);
    const starts = created.map((row) => {
      return told.has(row.id) ? { ...startOf(row), wakeAt: this.#now.toISOString() } : startOf(row);
    });
    await this.#pending.startTickets(this.#tx, starts);
  }

  async #joinExisting(
    placed: readonly Placed[],
    messages: ReadonlyMap<MessageId, Message>,
    index: ThreadIndex,
    rules: TicketRules,
    contactsOf: (item: Item) => string[],
    { loops, told }: { loops: ReadonlyMap<TicketId, string>; told: ReadonlySet<string> },
  ): Promise<void> {
    const bounced = await markBounced(
      this.#tx,
      this.#channel.tenantId,
      placed.map((one) => one.item),
    );
    const joining = Map.groupBy(
      placed.filter((one) => one.effect === 'join' || one.effect === 'reopen'),
      (one) => one.ticketId!,
    );
    if (joining.size === 0) return;
    const changes = [...joining].map(([ticketId, group]): TicketChange => {
      const ticket = index.ticket(ticketId)!;
      const loop = loops.get(ticketId);
      const isMuted = ticket.muted || loop !== undefined;
      // A muted thread is kept and shown, but nothing in it moves until an agent answers.
      const people = isMuted ? [] : group.filter((one) => !isAutomatic(one.item));
      const reopens = !isMuted && group.some((one) => one.effect === 'reopen');
      return {
        ticket,
        fields: { ...(reopens ? { status: 'open' } : {}), ...(loop ? { muted: true } : {}) },
        ...(loop && !ticket.muted ? { action: 'ticket.muted', reason: loop } : {}),
        said: {
          by: people.length > 0 ? 'customer' : 'nobody',
          messages: group.length,
          text: group.map((one) => receivedText(one.item.mail.message)).join('\n'),
        },
        participants: people.flatMap((one) => contactsOf(one.item)),
        events: [...receivedEvents(group, messages), ...(bounced.get(ticketId) ?? [])],
      };
    });
    const context = {
      tx: this.#tx,
      pending: this.#pending,
      rules,
      actor: { type: 'ingestion', id: this.#channel.id } as const,
      reason: 'a message arrived',
      now: this.#now,
    };
    const rows = await changeTickets(context, changes);
    const woken = rows.filter((row, place) => {
      return told.has(row.id) || mustWake(changes[place]!.ticket, row);
    });
    await this.#pending.wakeTickets(this.#tx, woken.map(wakeOf));
  }

  async #announceTicketless(
    placed: readonly Placed[],
    messages: ReadonlyMap<MessageId, Message>,
  ): Promise<void> {
    const alone = placed.filter((one) => one.ticketId === null);
    await writeEvents(
      this.#tx,
      this.#pending,
      receivedEvents(alone, messages).map(({ type, data }) => ({
        type,
        data,
        ticketId: null,
        sequence: null,
      })),
    );
  }
}
