import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ingestStaged } from '../../activities/ingestion.ts';
import type { Deps } from '../../activities/deps.ts';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { discardSetAside, retrySetAside } from '../../db/queries/set-aside.ts';
import { stageReceipts, type Receipt } from '../../db/queries/sources.ts';
import { Pending } from '../../db/queries/outbox.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { changeTicket } from '../../db/queries/ticket-changes.ts';
import { loadTicketRules } from '../../db/queries/ticket-rules.ts';
import { listTickets } from '../../db/queries/ticket-list.ts';
import { lockTickets } from '../../db/queries/tickets.ts';
import { newId, type MessageId, type TenantId, type TicketId } from '../../domain/ids.ts';
import { subjectLimit } from '../../domain/loop-guard.ts';
import { mintMessageId } from '../../domain/mail/message-id.ts';
import { plusAddress } from '../../domain/mail/thread-tokens.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { testDatabase } from '../harness/index.ts';
import { ingestionDeps, mailChannel, receiveMail } from './ingested-mail.ts';

// Mail edge cases that show in what is stored; each test cites its number in docs/mail-edge-cases.md.

let db: Db;
let deps: Deps;
let tenantId: TenantId;
let channel: LoadedChannel;
let address: string;
const keys = KeyRing.parse(KeyRing.generate());
const key = keys.derive('message-id');

beforeAll(async () => {
  db = connect({ url: (await testDatabase()).url, poolSize: 6 });
  deps = ingestionDeps(db, keys);
});

afterAll(() => db.destroy());

beforeEach(async () => {
  tenantId = await ensureTenant(db, `tenant ${Math.random()}`);
  address = `support-${Math.random().toString(36).slice(2)}@shop.example`;
  channel = await newChannel(address);
});

const OUTGOING = { host: 'out.example', port: 587, security: 'starttls' };
const newChannel = (at: string) =>
  mailChannel(deps, tenantId, { address: at, settings: { smtp: OUTGOING } });

interface Fields {
  id?: string;
  from?: string;
  to?: string;
  cc?: string;
  subject?: string;
  refs?: string;
  date?: string;
  body?: string;
  extra?: string;
}

function mail(fields: Fields): Buffer {
  const { id, from = 'Ada <ada@example.com>', to = address, subject = 'Kettle' } = fields;
  const lines = [
    `From: ${from}`,
    `To: ${to}`,
    ...(fields.cc ? [`Cc: ${fields.cc}`] : []),
    `Subject: ${subject}`,
    `Date: ${fields.date ?? 'Fri, 20 Nov 2026 10:00:00 +0000'}`,
    ...(id ? [`Message-ID: <${id}>`] : []),
    ...(fields.refs ? [`References: ${fields.refs}`, `In-Reply-To: ${fields.refs}`] : []),
    ...(fields.extra ? [fields.extra] : []),
    '',
    fields.body ?? `Hello from ${id ?? 'nobody'}`,
  ];
  return Buffer.from(lines.join('\r\n'));
}

const receive = (...sources: (Buffer | Receipt)[]) => receiveMail(deps, channel, ...sources);

const tickets = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('tickets').selectAll().orderBy('number').execute());
const shown = () => listTickets(db, tenantId, {}, { after: null, limit: 10 });
const messages = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('messages').selectAll().orderBy('id').execute());
const sources = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('sources').selectAll().orderBy('id').execute());
const audits = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('audit').selectAll().orderBy('id').execute());

function minted(ticketId: string, messageId: MessageId = newId('message')): string {
  return mintMessageId({
    tenantId,
    ticketId: ticketId as TicketId,
    messageId,
    key,
    domain: 'shop.example',
  });
}

/** An answer of ours on the first ticket, as sending leaves it. */
async function answered(to = 'ada@example.com'): Promise<string> {
  const [ticket] = await tickets();
  const id = newId('message');
  const messageId = minted(ticket!.id, id);
  await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('messages')
      .values({
        id,
        tenant_id: tenantId,
        ticket_id: ticket!.id,
        channel_id: channel.facts.id,
        direction: 'outbound',
        kind: 'message',
        status: 'sent',
        message_id: messageId,
        body: JSON.stringify({
          to: [{ name: '', address: to }],
          cc: [],
          attachments: [],
          metadata: { service_specific_data: {}, platform_specific: {} },
        }),
        timestamp: new Date(),
      })
      .execute(),
  );
  return messageId;
}

async function agentAnswers(): Promise<void> {
  const [{ id } = { id: '' }] = await tickets();
  await inTenant(db, tenantId, async (tx) => {
    const context = {
      tx,
      pending: new Pending(tenantId),
      rules: await loadTicketRules(tx, tenantId),
      actor: { type: 'agent', id: 'agt_1' } as const,
      now: new Date(),
    };
    const ticket = (await lockTickets(tx, [id])).get(id)!;
    await changeTicket(context, { ticket, said: { by: 'agent', messages: 1 } });
  });
}

const rest = (values: Record<string, unknown>) =>
  inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('tickets')
      .set(values as never)
      .execute(),
  );

describe('identity and duplicates', () => {
  test('edge 1: mail without a Message-ID is stored once by its content', async () => {
    await receive(mail({ body: 'one' }), mail({ body: 'two' }), mail({ body: 'one' }));
    expect(await messages()).toHaveLength(2);
  });

  test('edge 2: a reference in other letter case and form finds its mail', async () => {
    await receive(mail({ id: 'Abc@Example.COM' }));
    await receive(mail({ id: 'b@example.com', refs: '\r\n < Abc@example.com >' }));
    expect(await tickets()).toHaveLength(1);
  });

  test('edge 3, 5: the same mail under another UID or from two pollers is one message', async () => {
    const source = mail({ id: 'a@example.com' });
    const receipt = { source, receivedAt: new Date() };
    await receive({ ...receipt, providerMessageId: 'INBOX/1/7' });
    await receive({ ...receipt, providerMessageId: 'INBOX/2/1' });
    await Promise.all([1, 2, 3].map(() => receive({ ...receipt, providerMessageId: 'INBOX/3/1' })));
    expect(await messages()).toHaveLength(1);
    expect((await sources()).map((one) => one.status)).toEqual([
      'ingested',
      'duplicate',
      'duplicate',
    ]);
  });

  test('edge 4: one mail to two mailboxes is one message in each and one ticket', async () => {
    const second = `sales-${address}`;
    const source = mail({ id: 'a@example.com', to: `${address}, ${second}` });
    await receive(source);
    channel = await newChannel(second);
    await receive(source);
    expect(await tickets()).toHaveLength(1);
    expect(await messages()).toHaveLength(2);
  });

  test('edge 6: what was given up here is not imported again', async () => {
    const receipt = {
      source: mail({ id: 'a@example.com' }),
      providerMessageId: 'INBOX/1/1',
      receivedAt: new Date(),
    };
    await inTenant(db, tenantId, (tx) => stageReceipts(tx, tenantId, channel.facts.id, [receipt]));
    await inTenant(db, tenantId, (tx) =>
      tx.updateTable('sources').set({ status: 'set_aside' }).execute(),
    );
    expect(await discardSetAside(db, tenantId, (await sources())[0]!.id)).toBe(true);
    await receive(receipt);
    expect(await messages()).toEqual([]);
    expect(await sources()).toHaveLength(1);
  });

  test('edge 7: the sender’s time orders the thread, not the arrival', async () => {
    const late = mail({ id: 'b@x', refs: '<a@x>', date: 'Fri, 20 Nov 2026 12:00:00 +0000' });
    await receive(late);
    await receive(mail({ id: 'a@x', date: 'Fri, 20 Nov 2026 11:00:00 +0100' }));
    const ordered = await inTenant(db, tenantId, (tx) =>
      tx.selectFrom('messages').select('message_id').orderBy('timestamp').orderBy('id').execute(),
    );
    expect(ordered.map((one) => one.message_id)).toEqual(['a@x', 'b@x']);
    expect(await tickets()).toHaveLength(1);
  });
});

describe('threading', () => {
  beforeEach(async () => {
    await receive(mail({ id: 'one@x' }), mail({ id: 'two@x', subject: 'Other' }));
  });
  const ticketOf = async (id: string) =>
    (await messages()).find((one) => one.message_id === id)?.ticket_id;

  test('edge 8: the newest reference counts before older ones', async () => {
    await receive(mail({ id: 'r@x', refs: '<one@x> <two@x>' }));
    expect(await ticketOf('r@x')).toBe((await tickets())[1]!.id);
  });

  test('edge 8: In-Reply-To counts where References name nothing known', async () => {
    await receive(mail({ id: 'r@x', extra: 'References: <unknown@x>\r\nIn-Reply-To: <two@x>' }));
    expect(await ticketOf('r@x')).toBe((await tickets())[1]!.id);
  });

  test('edge 8: a plus address in Delivered-To or X-Original-To counts from anybody', async () => {
    const [first] = await tickets();
    const plus = plusAddress(address, first!.id as TicketId, { tenantId, key });
    for (const header of ['Delivered-To', 'X-Original-To']) {
      const id = `${header}@home.example`;
      await receive(mail({ id, from: 'ada@home.example', extra: `${header}: ${plus}` }));
      expect(await ticketOf(id.replace(/^/, ''))).toBe(first!.id);
    }
  });

  test('edge 9: a forged id or token lets no stranger in', async () => {
    const [first] = await tickets();
    const forged = minted(first!.id).replace(/.(?=@)/, (digit) => (digit === '0' ? '1' : '0'));
    for (const fields of [
      { refs: '<one@x>' },
      { refs: `<${forged}>` },
      { subject: `Re: Kettle [#${first!.number}]` },
    ])
      await receive(mail({ id: newId('message'), from: 'eve@evil.test', ...fields }));
    expect(await tickets()).toHaveLength(5);
  });

  test('edge 10: the body’s token finds the thread where a relay rewrote the ids', async () => {
    const [first] = await tickets();
    await receive(
      mail({ id: 'r@relay', subject: 'Re: x', body: `Yes.\n> [#${first!.number}] Kettle` }),
    );
    expect(await ticketOf('r@relay')).toBe(first!.id);
  });

  test('edge 12: another address and a person in Cc join, and the customer stays', async () => {
    const ours = await answered();
    const before = (await tickets())[0]!.requester_id;
    await receive(
      mail({ id: 'home@x', from: 'ada@home.example', refs: `<${ours}>` }),
      mail({ id: 'cc@x', cc: 'Bob <bob@example.com>', refs: '<one@x>' }),
    );
    await receive(mail({ id: 'bob@x', from: 'bob@example.com', refs: '<cc@x>' }));
    const [first] = await tickets();
    expect(await ticketOf('bob@x')).toBe(first!.id);
    expect(first!.requester_id).toBe(before);
    const people = await inTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('ticket_participants')
        .innerJoin(
          'contact_addresses',
          'contact_addresses.contact_id',
          'ticket_participants.contact_id',
        )
        .select('address')
        .where('ticket_id', '=', first!.id)
        .orderBy('address')
        .execute(),
    );
    expect(people.map((one) => one.address)).toEqual([
      'ada@example.com',
      'ada@home.example',
      'bob@example.com',
    ]);
  });
});

describe('loops and automatic mail', () => {
  beforeEach(() => receive(mail({ id: 'a@x', date: 'Mon, 3 Mar 2025 09:00:00 +0000' })));

  test('edge 17: a human behind a group address is a customer, a machine is not', async () => {
    await rest({ status: 'resolved', resolved_at: new Date() });
    await receive(mail({ id: 'm@x', refs: '<a@x>', extra: 'Auto-Submitted: auto-generated' }));
    expect((await tickets())[0]!.status).toBe('resolved');
    await receive(mail({ id: 'g@x', refs: '<a@x>', extra: 'List-Id: <team.example.com>' }));
    expect((await tickets())[0]!.status).toBe('open');
  });

  test('edge 18: an absence joins, without reopening or moving a clock', async () => {
    await rest({ status: 'resolved', resolved_at: new Date() });
    const before = (await tickets())[0]!.sla;
    await receive(
      mail({ id: 'o@x', refs: '<a@x>', extra: 'Auto-Submitted: auto-replied (vacation)' }),
    );
    const [ticket] = await tickets();
    expect(ticket).toMatchObject({ status: 'resolved', message_count: 2 });
    expect(ticket!.sla).toEqual(before);
  });

  test('edge 19: our own mail coming back is filtered, by its id or by our header', async () => {
    const ours = await answered();
    await receive(
      mail({ id: ours, from: address }),
      mail({ id: minted((await tickets())[0]!.id), from: 'list@example.org', body: 'via a list' }),
      mail({ id: 'x@ses', from: address, extra: 'X-Postroom-Origin: postroom', body: 'rewritten' }),
    );
    expect((await sources()).map((one) => one.status)).toEqual([
      'ingested',
      'filtered',
      'filtered',
      'filtered',
    ]);
    expect(await tickets()).toHaveLength(1);
  });

  test('edge 20: a responder without any header is muted, ops see why, an agent’s answer ends it', async () => {
    await rest({ status: 'resolved', resolved_at: new Date() });
    await awayFromFullHour();
    const date = new Date().toUTCString();
    const storm = (count: number) =>
      Array.from({ length: count }, () =>
        mail({ id: newId('message'), refs: '<a@x>', date, subject: 'Re: Kettle' }),
      );
    await receive(...storm(subjectLimit));
    expect((await tickets())[0]).toMatchObject({ muted: false, status: 'open' });
    await receive(...storm(1));
    expect((await tickets())[0]!.muted).toBe(true);
    expect((await shown())[0]).toMatchObject({ muted: true });
    expect((await audits()).at(-1)).toMatchObject({
      action: 'ticket.muted',
      reason: expect.stringMatching(/ada@example\.com sent 21 messages with the same subject/),
      changes: { muted: [false, true] },
    });
    await rest({ status: 'resolved', resolved_at: new Date() });
    await receive(...storm(1));
    expect((await tickets())[0]).toMatchObject({ status: 'resolved', message_count: 23 });
    await agentAnswers();
    expect((await tickets())[0]!.muted).toBe(false);
    expect((await shown())[0]).toMatchObject({ muted: false });
  });

  test('edge 20: new tickets of a flood are made, and muted from their start', async () => {
    const date = new Date().toUTCString();
    await receive(
      ...Array.from({ length: 110 }, (_, n) => {
        return mail({ id: `${n}@flood`, from: 'bot@flood.test', date, subject: `Case ${n}` });
      }),
    );
    const flooded = (await tickets()).slice(1);
    expect(flooded).toHaveLength(110);
    expect(flooded.some((one) => one.muted)).toBe(true);
    const told = (await inTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('events')
        .select(['ticket_id', 'data'])
        .where('type', '=', 'ticket.created')
        .execute(),
    )) as { ticket_id: string; data: { ticket: { muted: boolean } } }[];
    for (const { id, muted } of flooded)
      expect(told.find((one) => one.ticket_id === id)?.data.ticket.muted).toBe(muted);
    expect((await audits()).find((one) => one.action === 'ticket.muted')?.reason).toMatch(
      /bot@flood\.test sent \d+ messages within an hour/,
    );
  });

  test('edge 20: an import of old mail mutes nobody', async () => {
    await receive(
      ...Array.from({ length: 150 }, (_, n) => {
        return mail({ id: `${n}@old`, refs: '<a@x>', date: 'Mon, 3 Mar 2025 10:00:00 +0000' });
      }),
    );
    expect((await tickets())[0]).toMatchObject({ muted: false, message_count: 151 });
  });
});

describe('bounces', () => {
  const report = (
    names: string,
    recipient: string,
    status = '5.1.1',
    type = 'text/rfc822-headers',
  ) =>
    mail({
      id: newId('message'),
      from: 'Mail Delivery System <MAILER-DAEMON@mx.example>',
      subject: 'Undelivered Mail Returned to Sender',
      extra:
        'Return-Path: <>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b',
      body: `--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ${recipient}\r\nAction: failed\r\nStatus: ${status}\r\n\r\n--b\r\nContent-Type: ${type}\r\n\r\nMessage-ID: <${names}>\r\nSubject: Re: Kettle\r\n\r\n--b--\r\n`,
    });
  const undeliverable = async () =>
    (
      await inTenant(db, tenantId, (tx) =>
        tx.selectFrom('contacts').select('undeliverable').execute(),
      )
    ).flatMap((one) => one.undeliverable);
  const outbound = async () => (await messages()).find((one) => one.direction === 'outbound');

  beforeEach(() => receive(mail({ id: 'a@x' }), mail({ id: 'b@x', from: 'bob@example.com' })));

  test('edge 22, 23: a permanent failure marks the answer and its address, and is nobody’s ticket', async () => {
    const ours = await answered();
    await receive(report(ours, 'ada@example.com'));
    expect(await outbound()).toMatchObject({ status: 'bounced', error: { type: 'bounced' } });
    expect(await undeliverable()).toEqual(['ada@example.com']);
    expect(await tickets()).toHaveLength(2);
    expect((await messages()).find((one) => one.kind === 'bounce')!.ticket_id).toBe(
      (await tickets())[0]!.id,
    );
  });

  test('edge 22: a passing failure marks nothing', async () => {
    await receive(report(await answered(), 'ada@example.com', '4.2.2'));
    expect((await outbound())!.status).toBe('sent');
    expect(await undeliverable()).toEqual([]);
  });

  test('edge 22: a report that does not name our mail, or names others’ addresses, condemns nobody', async () => {
    await receive(report('guessed@shop.example', 'ada@example.com'));
    await receive(report(await answered(), 'bob@example.com'));
    expect(await undeliverable()).toEqual([]);
    expect(await tickets()).toHaveLength(2);
  });
});

describe('content and servers', () => {
  test('edge 33: a mail with an empty body makes a ticket', async () => {
    await receive(mail({ id: 'e@x', body: '' }));
    expect(await tickets()).toHaveLength(1);
  });

  describe('a mail too large to be fetched', () => {
    const headersOf = (fields: Fields): Receipt => ({
      source: mail({ date: new Date().toUTCString(), body: '', ...fields }),
      providerMessageId: `INBOX/1/${fields.id}`,
      receivedAt: new Date(),
      meta: { oversize: true, size: 99_000_000 },
    });
    const notices = async () =>
      (await messages()).filter((one) => one.direction === 'outbound').map((one) => one.body);

    test('edge 34: is a ticket that says so, and its sender is told once', async () => {
      const big = headersOf({ id: 'big@x' });
      await receive(big);
      await receive(big);
      expect(await tickets()).toHaveLength(1);
      const [message] = (await messages()).filter((one) => one.direction === 'inbound');
      expect(message!.body).toMatchObject({
        metadata: {
          platform_specific: {
            oversize: { size: 99_000_000 },
            notes: [expect.stringMatching(/too large \(99 MB\)/)],
          },
        },
      });
      expect(await notices()).toMatchObject([
        {
          kind: 'notification',
          status: 'queued',
          to: [{ address: 'ada@example.com' }],
          subject: 'Re: Kettle',
          in_reply_to: ['big@x'],
          content: expect.stringMatching(/send it again/),
        },
      ]);
      const starts = await inTenant(db, tenantId, (tx) =>
        tx.selectFrom('outbox').select('detail').where('kind', '=', 'ticket_start').execute(),
      );
      const { wakeAt } = starts[0]!.detail as { wakeAt: string };
      expect(Date.parse(wakeAt)).toBeLessThanOrEqual(Date.now());
      const [notice] = (await notices()) as { message_id: string }[];
      await receive(
        mail({ id: 'again@x', from: 'ada@home.example', refs: `<${notice!.message_id}>` }),
      );
      expect(await tickets()).toHaveLength(1);
    });

    test('edge 34: tells no machine, and nobody of mail of long ago', async () => {
      await receive(
        headersOf({ id: 'auto@x', extra: 'Auto-Submitted: auto-generated' }),
        headersOf({ id: 'old@x', date: 'Mon, 3 Mar 2025 10:00:00 +0000' }),
        headersOf({ id: 'own@x', from: address }),
      );
      expect(await notices()).toEqual([]);
    });
  });

  test('edge 37: a bad mail is set aside with its reason, blocks none, and is tried again', async () => {
    // Longer than what an index of addresses takes.
    const long = Array.from({ length: 700 }, () => Math.random().toString(36).slice(2)).join('');
    const bad = mail({ id: 'bad@x', from: `${long}@x.example` });
    await receive(mail({ id: 'a@x' }), bad, mail({ id: 'b@x' }));
    const aside = (await sources()).find((one) => one.status === 'set_aside');
    expect((await sources()).filter((one) => one.status === 'ingested')).toHaveLength(2);
    expect(aside?.error).toMatchObject({
      type: 'store_failed',
      detail: expect.stringMatching(/\S/),
    });
    expect((await retrySetAside(db, tenantId, aside!.id)).outcome).toBe('staged');
    await ingestStaged(deps, channel, () => {});
    expect((await sources()).find((one) => one.id === aside!.id)).toMatchObject({
      status: 'set_aside',
      attempts: 1,
    });
  });
});

/** Of what was sent in the hour before a part counts, rounded down: a storm over its end would be one message smaller. */
async function awayFromFullHour(): Promise<void> {
  const leftMs = 3_600_000 - (Date.now() % 3_600_000);
  if (leftMs < 30_000) await sleep(leftMs);
}
