// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ingestStaged } from '../../activities/ingestion.ts';
import type { Deps } from '../../activities/deps.ts';
import { sql } from 'kysely';
import { connect, inTenant, type Db, type Tx } from '../../db/connection.ts';
import { insertBlobs } from '../../db/queries/blobs.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { keepFiltered, listFiltered, releaseFiltered } from '../../db/queries/filtered.ts';
import type { IngestingChannel, Item } from '../../db/queries/ingest-item.ts';
import { showMessage } from '../../db/queries/messages.ts';
import { stageReceipts } from '../../db/queries/sources.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import { readMessageId } from '../../domain/mail/message-id.ts';
import { KeyRing } from '../../security/key-ring.ts';
import type { PendingWork } from '../../workflows/contracts/relay.ts';
import { testDatabase } from '../harness/index.ts';
import { ingestionDeps, mailChannel, receiveMail } from './ingested-mail.ts';

const OUTGOING = { host: 'out.shop.example', port: 587, security: 'starttls' };

let db: Db;
let deps: Deps;
let tenantId: TenantId;
let channel: LoadedChannel;
/** The channel's address. */
let ours: string;
const keys = KeyRing.parse(KeyRing.generate());
const flushed: PendingWork[] = [];

beforeAll(async () => {
  db = connect({ url: (await testDatabase()).url, poolSize: 6 });
  deps = ingestionDeps(db, keys, flushed);
});
afterAll(() => db.destroy());

beforeEach(async () => {
  flushed.length = 0;
  tenantId = await ensureTenant(db, `tenant ${Math.random()}`);
  channel = await mailChannel(deps, tenantId, { settings: { smtp: OUTGOING } });
  ours = channel.facts.address!;
});

async function setRules(rules: object): Promise<void> {
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('channels')
      .set({ rules: JSON.stringify(rules) })
      .where('id', '=', channel.facts.id)
      .execute(),
  );
}

interface Written {
  readonly from?: string;
  readonly subject?: string;
  readonly body?: string;
  readonly date?: Date;
  readonly extra?: readonly string[];
}

const byText = (a: unknown, b: unknown) => String(a).localeCompare(String(b));

let counter = 0;
function mail({ from, subject, body, date, extra = [] }: Written = {}): Buffer {
  counter++;
  return Buffer.from(
    [
      `From: ${from ?? 'Ada <ada@example.com>'}`,
      `To: ${ours}`,
      `Subject: ${subject ?? `Help ${counter}`}`,
      `Date: ${(date ?? new Date()).toUTCString()}`,
      `Message-ID: <m${counter}@example.com>`,
      ...extra,
      '',
      body ?? `Hello ${counter}`,
    ].join('\r\n'),
  );
}

const receive = (...mails: Buffer[]) => receiveMail(deps, channel, ...mails);
const receiveAt = (receivedAt: Date, source: Buffer) =>
  receiveMail(deps, channel, { source, providerMessageId: null, receivedAt });

const all = async (table: 'tickets' | 'messages' | 'sources' | 'contacts' | 'contact_addresses') =>
  inTenant(db, tenantId, (tx) =>
    tx
      .selectFrom(table)
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .orderBy('tenant_id')
      .execute(),
  ) as Promise<Record<string, any>[]>; // oxlint-disable-line typescript/no-explicit-any -- rows of several tables
const tickets = async () => (await all('tickets')).toSorted((a, b) => a.number - b.number);
const inbound = async () =>
  (await all('messages')).filter(({ direction }) => direction === 'inbound');
const answers = async () =>
  (await all('messages')).filter(({ direction }) => direction === 'outbound');
const setStatus = (status: 'resolved' | 'closed' | 'pending') =>
  inTenant(db, tenantId, (tx) => tx.updateTable('tickets').set({ status }).execute());

/** Rows of `sources` that this transaction has read from end to end. */
async function seen(tx: Tx): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select seq_tup_read as n from pg_stat_xact_user_tables where relname = 'sources'`.execute(tx);
  return Number(rows[0]!.n);
}

const always = { all: [{ field: 'subject', exists: true }] };
const rule = (then: object, name = 'Rule', when: object = always) => ({
  rules: [{ name, when, then }],
});

describe('a new ticket', () => {
  test('gets priority, tags, team, assignee and type, and the message says by which rule', async () => {
    const [team, agent] = [newId('team'), newId('agent')];
    await inTenant(db, tenantId, async (tx) => {
      await tx
        .insertInto('teams')
        .values({ id: team, tenant_id: tenantId, name: 'Tier 2' })
        .execute();
      await tx
        .insertInto('agents')
        .values({ id: agent, tenant_id: tenantId, name: 'Bo' })
        .execute();
    });
    await setRules(
      rule({ priority: 'urgent', tags: ['web', 'shop'], team, assignee: agent, type: 'Incident' }),
    );
    await receive(mail());
    const [ticket] = await tickets();
    expect(ticket).toMatchObject({
      priority: 'urgent',
      tags: ['web', 'shop'],
      team_id: team,
      assignee_id: agent,
      custom_fields: { type: 'Incident' },
      status: 'open',
    });
    const shown = await showMessage(db, tenantId, (await inbound())[0]!.id);
    expect(shown).toMatchObject({
      priority: 'high',
      metadata: { platform_specific: { rules: { applied: ['Rule'] } } },
    });
    const event = await inTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('events')
        .select('data')
        .where('type', '=', 'message.received')
        .executeTakeFirstOrThrow(),
    );
    expect((event.data as { message: object }).message).toEqual(shown);
  });

  test('is made without a team that has gone since', async () => {
    await setRules(rule({ team: newId('team'), tags: ['kept'] }));
    await receive(mail());
    expect(await tickets()).toMatchObject([{ team_id: null, tags: ['kept'] }]);
  });

  test('is born as spam, and nobody is told', async () => {
    await setRules({ ...rule({ spam: true }), autoresponder: { text: 'Hi' } });
    await receive(mail());
    expect(await tickets()).toMatchObject([{ status: 'spam' }]);
    expect(await answers()).toEqual([]);
  });

  test('an answer on it keeps what agents have set', async () => {
    await setRules(rule({ priority: 'urgent', tags: ['a'] }));
    await receive(mail());
    await inTenant(db, tenantId, (tx) =>
      tx.updateTable('tickets').set({ priority: 'low', tags: [] }).execute(),
    );
    await receive(mail({ extra: [`In-Reply-To: <m${counter}@example.com>`] }));
    expect(await tickets()).toMatchObject([{ priority: 'low', tags: [], message_count: 2 }]);
  });
});

describe('the requester', () => {
  test('is who a header names; the answer goes there and not to the form', async () => {
    await setRules(rule({ requester: { header: 'X-Customer' } }));
    await receive(
      mail({ from: 'noreply@forms.example', extra: ['X-Customer: Bo <bo@kunde.example>'] }),
    );
    const [ticket] = await tickets();
    const people = await all('contact_addresses');
    const requester = people.find(({ contact_id }) => contact_id === ticket!.requester_id);
    expect(requester).toMatchObject({ address: 'bo@kunde.example' });
    expect((await inbound())[0]).toMatchObject({
      routing: { requester: { name: 'Bo', address: 'bo@kunde.example' } },
      body: { from: 'noreply@forms.example' },
    });
  });

  test('is never ourselves', async () => {
    await setRules(rule({ requester: { pattern: '^from: (\\S+)' } }));
    await receive(mail({ body: `From: ${ours}\r\nHello` }));
    const [ticket] = await tickets();
    const people = await all('contact_addresses');
    expect(people.find(({ contact_id }) => contact_id === ticket!.requester_id)).toMatchObject({
      address: 'ada@example.com',
    });
  });
});

describe('notices of one rule', () => {
  const grouped = (hours = 2) =>
    rule({ group_by: { pattern: 'host (\\S+)', within_hours: hours } }, 'Monitor', {
      all: [{ field: 'sender', is: 'alerts@monitor.example' }],
    });
  const notice = (host: string, more: Written = {}) =>
    mail({ from: 'alerts@monitor.example', subject: `Disk full on host ${host}`, ...more });

  test('go to one ticket by their key, within a batch and over batches', async () => {
    await setRules(grouped());
    await receive(notice('web-1'), notice('web-2'), notice('WEB-1'));
    await receive(notice('web-1'));
    expect((await tickets()).map(({ message_count }) => message_count)).toEqual([3, 1]);
    expect(
      (await inbound()).map(({ routing }) => routing.grouped_by ?? null).toSorted(byText),
    ).toEqual(['Monitor', 'Monitor', null, null]);
  });

  test('that come too late begin another, each one counted from the one before', async () => {
    await setRules(grouped());
    const at = (hours: number) => new Date(Date.UTC(2026, 0, 1) + hours * 3_600_000);
    for (const hours of [0, 1.5, 3, 5.5]) await receiveAt(at(hours), notice('web-1'));
    expect((await tickets()).map(({ message_count }) => message_count)).toEqual([3, 1]);
  });

  test.each(['resolved', 'closed'] as const)('begin another where it was %s', async (status) => {
    await setRules(grouped());
    await receive(notice('web-1'));
    await setStatus(status);
    await receive(notice('web-1'), notice('web-1'));
    expect((await tickets()).map(({ message_count }) => message_count)).toEqual([1, 2]);
  });

  test('an answer on the thread stays on the thread', async () => {
    await setRules(grouped());
    await receive(notice('web-1'));
    const first = counter;
    await setStatus('resolved');
    await receive(notice('web-1'));
    await receive(notice('web-1', { extra: [`References: <m${first}@example.com>`] }));
    expect((await tickets()).map(({ message_count }) => message_count)).toEqual([2, 1]);
  });
});

describe('what is turned away', () => {
  const filtered = () => listFiltered(db, tenantId, { before: null, limit: 10 });
  const counts = () =>
    inTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('channels')
        .select(['messages_received', 'messages_filtered'])
        .executeTakeFirstOrThrow(),
    );

  test('by a blocklist is kept with its reason and counted, and leaves no contact', async () => {
    await setRules({ blocklist: { domains: ['spam.example'] } });
    await receive(mail({ from: 'x@spam.example' }), mail());
    expect(await filtered()).toMatchObject([
      { filtered: { by: 'blocklist', detail: 'The blocklist names the domain spam.example.' } },
    ]);
    expect(await counts()).toEqual({ messages_received: 1, messages_filtered: 1 });
    expect((await all('contact_addresses')).map(({ address }) => address)).toEqual([
      'ada@example.com',
    ]);
    expect(await inbound()).toHaveLength(1);
  });

  test('by a rule that skips names the rule', async () => {
    await setRules(rule({ skip: true }, 'No newsletters'));
    await receive(mail());
    expect(await filtered()).toMatchObject([{ filtered: { by: 'rule', rule: 'No newsletters' } }]);
  });

  test('for want of a keyword is only what would begin a ticket', async () => {
    await receive(mail({ subject: 'Order 1' }));
    const first = counter;
    await setRules({ subject_keywords: ['order'] });
    await receive(
      mail({ subject: 'Hello there' }),
      mail({ subject: 'Thanks', extra: [`In-Reply-To: <m${first}@example.com>`] }),
      mail({ subject: 'My ORDER 2' }),
    );
    expect((await tickets()).map(({ message_count }) => message_count)).toEqual([2, 1]);
    expect(await filtered()).toMatchObject([{ filtered: { by: 'subject_keywords' } }]);
  });

  test('is turned away each time it comes, copies in one batch too', async () => {
    await setRules({ subject_keywords: ['order'] });
    const unwanted = mail();
    await receive(unwanted, unwanted);
    await receive(unwanted);
    expect((await all('sources')).map(({ status, message_id }) => [status, message_id])).toEqual(
      Array.from({ length: 3 }, () => ['filtered', null]),
    );
    expect(await counts()).toMatchObject({ messages_filtered: 3 });
  });

  test('is found by its id alone, however much the channel has received', async () => {
    const item = { sourceId: 'src_7', copies: ['src_8'] } as unknown as Item; // all that is asked of one
    const read = await inTenant(db, tenantId, async (tx) => {
      const { sha256 } = (await insertBlobs(tx, tenantId, [{ bytes: mail() }]))[0]!;
      await sql`
        insert into sources (id, tenant_id, channel_id, sha256, size, received_at, status)
        select 'src_' || n, ${tenantId}, ${channel.facts.id}, ${sha256}, 1, now(), 'ingested'
          from generate_series(1, 60000) n`.execute(tx);
      const { facts } = channel;
      const filtered = { by: 'subject_keywords', detail: 'x' } as const;
      const before = await seen(tx);
      await keepFiltered(tx, { tenantId, id: facts.id } as IngestingChannel, [{ item, filtered }]);
      const after = await seen(tx);
      const { rows } = await sql<{ id: string }>`
        select id from sources where status = 'filtered' order by id`.execute(tx);
      expect(rows).toEqual([{ id: 'src_7' }, { id: 'src_8' }]);
      return after - before;
    });
    expect(read).toBeLessThan(1_000);
  });

  test('is taken once an admin lets it in', async () => {
    await setRules({ blocklist: { domains: ['*'] }, subject_keywords: ['x'] });
    await receive(mail({ subject: 'Hello' }));
    const [row] = await filtered();
    expect(await releaseFiltered(db, tenantId, row!.id)).toMatchObject({ outcome: 'staged' });
    expect(await releaseFiltered(db, tenantId, row!.id)).toMatchObject({ outcome: 'missing' });
    await ingestStaged(deps, channel, () => {});
    expect(await tickets()).toMatchObject([{ subject: 'Hello' }]);
    expect(await filtered()).toEqual([]);
    expect(await counts()).toEqual({ messages_received: 1, messages_filtered: 0 });
  });
});

describe('the autoresponder', () => {
  const responder = {
    autoresponder: {
      text: 'Dear {{sender.name}}, your ticket is #{{ticket.number}}.',
      html: '<p>Dear {{sender.name}}: {{ticket.subject}}</p>',
      hours: 24,
    },
  };
  const starts = () => flushed.flatMap((work) => [...work.ticketStarts.values()]);

  test('answers who begins a ticket, marked and threaded, by the ticket’s workflow', async () => {
    await setRules(responder);
    await receive(mail({ from: '"Ada <b>L</b>" <ada@example.com>', subject: 'Kettle <i>' }));
    const [answer] = await answers();
    const [ticket] = await tickets();
    expect(answer).toMatchObject({
      kind: 'auto_reply',
      status: 'queued',
      ticket_id: ticket!.id,
      body: {
        from: ours,
        to: [{ address: 'ada@example.com' }],
        subject: 'Re: Kettle <i>',
        in_reply_to: [`m${counter}@example.com`],
        references: [`m${counter}@example.com`],
        content: expect.stringContaining(`your ticket is #${ticket!.number}.`),
      },
    });
    expect(answer!.body.html).not.toContain('<i>');
    const minted = readMessageId(answer!.message_id, keys.derive('message-id'), tenantId);
    expect(minted).toEqual({ ticketId: ticket!.id, messageId: expect.any(String) });
    expect(starts()).toHaveLength(1);
    expect(Date.parse(starts()[0]!.wakeAt!)).toBeLessThanOrEqual(Date.now());
  });

  test('answers nobody where the channel has no way to send', async () => {
    await setRules(responder);
    channel = { ...channel, settings: {} };
    await receive(mail());
    expect(await answers()).toEqual([]);
    const [ticket] = await tickets();
    expect(ticket).toBeDefined();
    channel = { ...channel, settings: { smtp: OUTGOING } };
    await receive(mail());
    expect(await answers()).toHaveLength(1);
  });

  test('answers one sender once in the span, whatever the batches', async () => {
    await setRules(responder);
    await receive(
      mail(),
      mail(),
      mail({ from: 'ADA@example.com' }),
      mail({ from: 'bo@example.com' }),
    );
    await receive(mail(), mail({ from: 'bo@example.com' }));
    expect(
      (await answers()).map(({ body }) => body.to[0].address.toLowerCase()).toSorted(byText),
    ).toEqual(['ada@example.com', 'bo@example.com']);
    await inTenant(db, tenantId, (tx) =>
      tx
        .updateTable('auto_replies')
        .set({ until: new Date(Date.now() - 1000) })
        .execute(),
    );
    await receive(mail());
    expect(await answers()).toHaveLength(3);
  });

  test('answers once where several workers ingest the same mail, and each its own', async () => {
    await setRules(responder);
    const mails = Array.from({ length: 30 }, (_, n) => mail({ from: `c${n % 10}@example.com` }));
    await inTenant(db, tenantId, (tx) =>
      stageReceipts(
        tx,
        tenantId,
        channel.facts.id,
        mails.map((source) => ({ source, providerMessageId: null, receivedAt: new Date() })),
      ),
    );
    await Promise.all([1, 2, 3].map(() => ingestStaged(deps, channel, () => {})));
    expect(await tickets()).toHaveLength(30);
    expect(new Set((await answers()).map(({ body }) => body.to[0].address)).size).toBe(10);
    expect(await answers()).toHaveLength(10);
  });

  test('answers the requester of a form, where a rule finds one', async () => {
    await setRules({ ...responder, ...rule({ requester: { header: 'Reply-To' } }) });
    await receive(mail({ from: 'form@forms.example', extra: ['Reply-To: bo@kunde.example'] }));
    expect((await answers())[0]!.body.to).toEqual([{ name: '', address: 'bo@kunde.example' }]);
  });

  test.each<[string, Written]>([
    ['a machine', { extra: ['Auto-Submitted: auto-generated'] }],
    ['an out-of-office', { extra: ['Auto-Submitted: auto-replied'] }],
    ['bulk mail', { extra: ['Precedence: bulk'] }],
    ['a list', { extra: ['List-Id: <talk.example.com>'] }],
    ['Outlook’s mark', { extra: ['X-Auto-Response-Suppress: All'] }],
    ['a null sender', { extra: ['Return-Path: <>'] }],
    ['a mail system', { from: 'MAILER-DAEMON@example.com' }],
    ['nobody', { from: 'no-reply@example.com' }],
    ['a list’s robot', { from: 'talk-request@example.com' }],
    ['mail of long ago', { date: new Date(Date.now() - 3 * 86_400_000) }],
  ])('never answers %s', async (_name, written) => {
    await setRules(responder);
    await receive(mail(written));
    expect(await answers()).toEqual([]);
  });

  test('never answers ourselves', async () => {
    await setRules(responder);
    await receive(mail({ from: ours }));
    expect(await tickets()).toHaveLength(1);
    expect(await answers()).toEqual([]);
  });

  test('never answers what joins a ticket, nor a sender in a loop', async () => {
    await setRules(responder);
    await receive(mail({ from: 'first@example.com' }));
    await receive(
      mail({ from: 'second@example.com', subject: 'x' }),
      mail({
        from: 'first@example.com',
        extra: [`In-Reply-To: <m${counter}@example.com>`],
      }),
    );
    const flood = Array.from({ length: 40 }, () =>
      mail({ from: 'robot@example.com', subject: 'Again' }),
    );
    await receive(...flood.slice(0, 30));
    const told = (await answers()).filter(({ body }) => body.to[0].address === 'robot@example.com');
    expect(told.length).toBeLessThanOrEqual(1);
  });

  test('says nothing where it is off', async () => {
    await setRules({ autoresponder: { ...responder.autoresponder, enabled: false } });
    await receive(mail());
    expect(await answers()).toEqual([]);
  });
});

test('rules that no longer fit are passed over: no mail waits for them', async () => {
  await setRules({ rules: [{ name: 'x', when: { sometimes: true }, then: {} }] });
  await receive(mail());
  expect(await tickets()).toHaveLength(1);
});
