import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ingestStaged } from '../../activities/ingestion.ts';
import type { Deps } from '../../activities/deps.ts';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { stageReceipts, stageSource } from '../../db/queries/sources.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import { agentReplied } from '../../domain/sla/clock.ts';
import type { SlaState } from '../../domain/sla/state.ts';
import { mintMessageId } from '../../domain/mail/message-id.ts';
import { KeyRing } from '../../security/key-ring.ts';
import type { PendingWork } from '../../workflows/contracts/relay.ts';
import { testDatabase } from '../harness/index.ts';
import { runSql } from '../harness/parts.ts';
import { ingestionDeps, mailChannel, receiveMail } from './ingested-mail.ts';

let url: string;
let db: Db;
let deps: Deps;
let tenantId: TenantId;
let channel: LoadedChannel;
const keys = KeyRing.parse(KeyRing.generate());
const flushed: PendingWork[] = [];

beforeAll(async () => {
  ({ url } = await testDatabase());
  db = connect({ url, poolSize: 6 });
  deps = ingestionDeps(db, keys, flushed);
});

afterAll(() => db.destroy());

beforeEach(async () => {
  flushed.length = 0;
  tenantId = await ensureTenant(db, `tenant ${Math.random()}`);
  channel = await newChannel('support@shop.example');
});

/** Its address is free in one test only; one of its own it has in each. */
const newChannel = (address: string) =>
  mailChannel(deps, tenantId, {
    address,
    addresses: [`${newId('channel').toLowerCase()}${address}`, address],
  });

function mail(fields: {
  id?: string;
  from?: string;
  to?: string;
  subject?: string;
  refs?: string;
  inReplyTo?: string;
  body?: string;
  extra?: string;
}): Buffer {
  const lines = [
    `From: ${fields.from ?? 'Ada <ada@example.com>'}`,
    `To: ${fields.to ?? 'support@shop.example'}`,
    `Subject: ${fields.subject ?? 'Help'}`,
    'Date: Fri, 20 Nov 2026 10:00:00 +0000',
    ...(fields.id ? [`Message-ID: <${fields.id}>`] : []),
    ...(fields.refs ? [`References: ${fields.refs}`] : []),
    ...(fields.inReplyTo ? [`In-Reply-To: ${fields.inReplyTo}`] : []),
    ...(fields.extra ? [fields.extra] : []),
    '',
    fields.body ?? `Hello from ${fields.id ?? 'nobody'}`,
  ];
  return Buffer.from(lines.join('\r\n'));
}

const receive = (...sources: Buffer[]) => receiveMail(deps, channel, ...sources);

const tickets = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('tickets').selectAll().orderBy('number').execute());
const messages = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('messages').selectAll().orderBy('id').execute());
const sources = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('sources').selectAll().orderBy('id').execute());
const events = () =>
  inTenant(db, tenantId, (tx) => tx.selectFrom('events').selectAll().orderBy('position').execute());

const wakes = () => flushed.flatMap((work) => [...work.ticketWakes.keys()]);

describe('a new mail', () => {
  test('becomes a ticket with its message, contact, clocks, events and start', async () => {
    await receive(mail({ id: 'a@example.com', subject: 'Broken kettle' }));
    const [ticket] = await tickets();
    expect(ticket).toMatchObject({
      number: 1,
      subject: 'Broken kettle',
      status: 'open',
      message_count: 1,
      sequence: 2,
    });
    expect((await events()).map((event) => [event.type, event.sequence])).toEqual([
      ['ticket.created', 1],
      ['message.received', 2],
    ]);
    expect(flushed.flatMap((work) => [...work.ticketStarts.keys()])).toEqual([ticket!.id]);
    expect((await sources()).map((source) => source.status)).toEqual(['ingested']);
  });

  test('with an attachment keeps its bytes under their hash', async () => {
    const source = mail({
      id: 'b@example.com',
      body: '--x\r\nContent-Type: text/plain\r\n\r\nsee file\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="a.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--x--\r\n',
      extra: 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x',
    });
    await receive(source);
    const rows = await inTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('attachments')
        .innerJoin('blob_chunks', 'blob_chunks.sha256', 'attachments.sha256')
        .select(['filename', 'size', 'bytes'])
        .execute(),
    );
    expect(rows).toEqual([{ filename: 'a.bin', size: 4, bytes: Buffer.from([0, 1, 2, 3]) }]);
  });
});

describe('deduplication', () => {
  test('the same mail received again changes nothing', async () => {
    const source = mail({ id: 'a@example.com' });
    await receive(source);
    await receive(source);
    expect(await messages()).toHaveLength(1);
    expect((await sources()).map((row) => row.status)).toEqual(['ingested', 'duplicate']);
    expect(new Set((await sources()).map((row) => row.message_id)).size).toBe(1);
  });

  test('twice in one batch is once', async () => {
    const source = mail({ id: 'a@example.com' });
    await receive(source, source);
    expect(await messages()).toHaveLength(1);
  });

  test('without a Message-ID the content stands in', async () => {
    await receive(mail({ body: 'one' }), mail({ body: 'two' }), mail({ body: 'one' }));
    expect(await messages()).toHaveLength(2);
  });

  test('two mails that share a Message-ID but not their content are both kept', async () => {
    await receive(
      mail({ id: 'same@example.com', body: 'one' }),
      mail({ id: 'same@example.com', body: 'two' }),
    );
    expect(await messages()).toHaveLength(2);
  });

  test('a redelivery under the same provider id is the same receipt', async () => {
    const receipt = {
      source: mail({ id: 'a@example.com' }),
      providerMessageId: 'INBOX/1/1',
      receivedAt: new Date(),
    };
    const first = await stageSource(
      db,
      { tenantId, id: channel.facts.id, provider: 'smtp' },
      receipt,
    );
    const again = await stageSource(
      db,
      { tenantId, id: channel.facts.id, provider: 'smtp' },
      receipt,
    );
    expect(again.sourceId).toBe(first.sourceId);
    expect(again.pending.channels.size).toBe(0);
  });

  test('two workers on the same staged sources make each message once', async () => {
    const batch = Array.from({ length: 60 }, (_, n) =>
      mail({ id: `m${n}@example.com`, subject: `Case ${n}` }),
    );
    await inTenant(db, tenantId, (tx) =>
      stageReceipts(
        tx,
        tenantId,
        channel.facts.id,
        batch.map((source) => ({ source, providerMessageId: null, receivedAt: new Date() })),
      ),
    );
    const counts = await Promise.all([1, 2, 3].map(() => ingestStaged(deps, channel, () => {})));
    expect(counts.reduce((sum, count) => sum + count)).toBe(60);
    expect(await messages()).toHaveLength(60);
    expect(new Set((await tickets()).map((ticket) => ticket.number)).size).toBe(60);
  });
});

describe('threading', () => {
  test('a reply joins its ticket', async () => {
    await receive(mail({ id: 'a@example.com' }));
    await receive(
      mail({
        id: 'b@example.com',
        subject: 'Re: Help',
        inReplyTo: '<a@example.com>',
        refs: '<a@example.com>',
      }),
    );
    expect(await tickets()).toHaveLength(1);
    expect((await tickets())[0]).toMatchObject({ message_count: 2, sequence: 3 });
    // Its workflow sleeps no longer than before: nothing for it to do.
    expect(wakes()).toEqual([]);
  });

  test('a child that arrives before its parent is joined by it, in one batch or in two', async () => {
    const parent = mail({ id: 'p@example.com' });
    const child = mail({
      id: 'c@example.com',
      inReplyTo: '<p@example.com>',
      refs: '<p@example.com>',
    });
    await receive(child);
    await receive(parent);
    expect(await tickets()).toHaveLength(1);
    await receive(
      mail({ id: 'c2@example.com', inReplyTo: '<p2@example.com>' }),
      mail({ id: 'p2@example.com' }),
    );
    expect(await tickets()).toHaveLength(2);
  });

  test('a child that lies before its parent and its parent’s parent joins them, though it names its parent alone', async () => {
    const grandparent = mail({ id: 'g@example.com' });
    const parent = mail({ id: 'p@example.com', inReplyTo: '<g@example.com>' });
    const child = mail({ id: 'c@example.com', inReplyTo: '<p@example.com>' });
    const other = mail({ id: 'o@example.com', inReplyTo: '<o@example.com>' });
    await receive(child, other, grandparent, parent);
    expect((await tickets()).map((one) => one.message_count)).toEqual([3, 1]);
    const ofFirst = (await messages()).filter((one) => one.message_id !== 'o@example.com');
    expect(new Set(ofFirst.map((one) => one.ticket_id)).size).toBe(1);
  });

  test('a thread of a hundred that lies newest first stays one, begun by its first mail', async () => {
    const ids = Array.from({ length: 100 }, (_, at) => `${at}@deep.example`);
    const thread = ids.map((id, at) =>
      mail({ id, subject: `Mail ${at}`, ...(at > 0 ? { inReplyTo: `<${ids[at - 1]}>` } : {}) }),
    );
    await receive(...thread.toReversed());
    expect(await tickets()).toMatchObject([{ subject: 'Mail 0', message_count: 100 }]);
  });

  test('ten replies of one thread in one batch stay one thread', async () => {
    const ids = Array.from({ length: 11 }, (_, n) => `t${n}@example.com`);
    await receive(
      ...ids.map((id, n) =>
        mail({
          id,
          ...(n > 0
            ? {
                refs: ids
                  .slice(0, n)
                  .map((ref) => `<${ref}>`)
                  .join(' '),
              }
            : {}),
        }),
      ),
    );
    expect(await tickets()).toHaveLength(1);
    expect((await tickets())[0]!.message_count).toBe(11);
  });

  test('a stranger who forges a reference does not get into the ticket', async () => {
    await receive(mail({ id: 'a@example.com' }));
    await receive(
      mail({
        id: 'x@evil.example',
        from: 'mallory@evil.example',
        refs: '<a@example.com>',
        subject: 'Re: Help [#1]',
      }),
    );
    expect(await tickets()).toHaveLength(2);
  });

  test('a stranger who cites an id before its mail has come does not get its thread', async () => {
    await receive(
      mail({ id: 'x@evil.example', from: 'mallory@evil.example', refs: '<a@example.com>' }),
    );
    await receive(mail({ id: 'a@example.com' }));
    await receive(mail({ id: 'b@example.com', inReplyTo: '<a@example.com>' }));
    expect((await tickets()).map((ticket) => ticket.message_count)).toEqual([1, 2]);
  });

  test('our own Message-ID, with its keyed hash, lets another address of the customer in', async () => {
    await receive(mail({ id: 'a@example.com' }));
    const [ticket] = await tickets();
    const ours = mintMessageId({
      tenantId,
      ticketId: ticket!.id as never,
      messageId: newId('message'),
      key: keys.derive('message-id'),
      domain: 'shop.example',
    });
    await receive(mail({ id: 'b@home.example', from: 'ada@home.example', inReplyTo: `<${ours}>` }));
    expect(await tickets()).toHaveLength(1);
    const forged = ours.replace(/.(?=@)/, (digit) => (digit === '0' ? '1' : '0'));
    await receive(
      mail({ id: 'c@evil.example', from: 'eve@evil.example', inReplyTo: `<${forged}>` }),
    );
    expect(await tickets()).toHaveLength(2);
  });

  test('one mail to two of our channels is two messages on one ticket', async () => {
    const source = mail({ id: 'a@example.com', to: 'support@shop.example, sales@shop.example' });
    await receive(source);
    channel = await newChannel('sales@shop.example');
    await receive(source);
    expect(await tickets()).toHaveLength(1);
    expect(await messages()).toHaveLength(2);
  });
});

describe('a message to a ticket that rests', () => {
  const rest = (values: Record<string, unknown>) =>
    inTenant(db, tenantId, (tx) =>
      tx
        .updateTable('tickets')
        .set(values as never)
        .execute(),
    );
  const reply = () =>
    receive(mail({ id: `r${Math.random()}@example.com`, refs: '<a@example.com>' }));

  test('reopens a resolved one', async () => {
    await receive(mail({ id: 'a@example.com' }));
    await rest({ status: 'resolved', resolved_at: new Date() });
    await reply();
    const [ticket] = await tickets();
    expect(ticket).toMatchObject({ status: 'open', resolved_at: null });
    expect(wakes()).toEqual([ticket!.id]);
    expect((await events()).map((event) => event.type)).toContain('ticket.reopened');
  });

  test('opens a linked follow-up once the window is over', async () => {
    await receive(mail({ id: 'a@example.com' }));
    await rest({ status: 'closed', closed_at: new Date(Date.now() - 20 * 86_400_000) });
    await reply();
    const [old, followUp] = await tickets();
    expect(followUp!.follow_up_of).toBe(old!.id);
    await reply();
    expect(await tickets()).toHaveLength(2);
    expect((await tickets())[1]).toMatchObject({ message_count: 2 });
  });

  test('an out-of-office joins without opening it', async () => {
    await receive(mail({ id: 'a@example.com' }));
    await rest({ status: 'resolved', resolved_at: new Date() });
    await receive(
      mail({
        id: 'ooo@example.com',
        refs: '<a@example.com>',
        extra: 'Auto-Submitted: auto-replied',
      }),
    );
    expect((await tickets())[0]).toMatchObject({ status: 'resolved', message_count: 2 });
  });
});

test('a reply wakes the workflow where it brings a deadline forward, and not where it brings none', async () => {
  const definition = {
    name: 'Next answers',
    targets: { normal: { next_response_minutes: 10 } },
    warn_at_percent: [],
  };
  await inTenant(db, tenantId, (tx) =>
    tx
      .insertInto('sla_policies')
      .values({
        id: newId('slaPolicy'),
        tenant_id: tenantId,
        definition: JSON.stringify(definition),
      })
      .execute(),
  );
  const reply = (id: string) => receive(mail({ id, refs: '<a@example.com>' }));
  await receive(mail({ id: 'a@example.com' }));
  await reply('b@example.com');
  expect(wakes()).toEqual([]);

  const [ticket] = await tickets();
  const answered = agentReplied(ticket!.sla as SlaState, null, new Date());
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('tickets')
      .set({ sla: JSON.stringify(answered) })
      .execute(),
  );
  await reply('c@example.com');
  expect(wakes()).toEqual([ticket!.id]);
  await reply('d@example.com');
  expect(wakes()).toEqual([ticket!.id]);
});

test('an out-of-office that belongs to nothing is kept, but is nobody’s ticket', async () => {
  await receive(
    mail({
      id: 'ooo@example.com',
      subject: 'Out of office',
      extra: 'Auto-Submitted: auto-replied',
    }),
  );
  expect(await tickets()).toHaveLength(0);
  expect((await messages())[0]).toMatchObject({ kind: 'auto_reply', ticket_id: null });
});

// What ingestion meets while the schema is older or newer than its code (SQLSTATE class 42).
test.each([
  [
    'a column is missing',
    'alter table messages rename parser_version to later',
    'alter table messages rename later to parser_version',
    /42703/,
  ],
  [
    'a table is missing',
    'alter table thread_ids rename to later',
    'alter table later rename to thread_ids',
    /42P01/,
  ],
  [
    'a right is missing',
    'revoke insert on messages from postroom_app',
    'grant insert on messages to postroom_app',
    /42501/,
  ],
])('while %s, mail waits: none is set aside, all is stored afterwards', async (...row) => {
  const [, change, back, code] = row;
  await runSql(url, change);
  try {
    const error: unknown = await receive(mail({ id: 'a@x' }), mail({ id: 'b@x' })).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as { code?: string }).code).toMatch(code);
    expect((await sources()).map((source) => source.status)).toEqual(['staged', 'staged']);
  } finally {
    await runSql(url, back);
  }
  await ingestStaged(deps, channel, () => {});
  expect((await sources()).map((source) => source.status)).toEqual(['ingested', 'ingested']);
});

test('a mail that can’t be stored is set aside with its reason and blocks none', async () => {
  // Longer than what an index of addresses takes.
  const long = Array.from({ length: 700 }, () => Math.random().toString(36).slice(2)).join('');
  await receive(
    mail({ id: 'a@example.com' }),
    mail({ id: 'long@example.com', from: `${long}@example.com` }),
    mail({ id: 'b@example.com' }),
  );
  const rows = await sources();
  expect(rows.filter((row) => row.status === 'ingested')).toHaveLength(2);
  const aside = rows.find((row) => row.status === 'set_aside');
  expect(aside?.error).toMatchObject({
    type: 'store_failed',
    detail: expect.stringMatching(/\S/) as never,
  });
});

test('another tenant sees none of it', async () => {
  await receive(mail({ id: 'a@example.com' }));
  const other = await ensureTenant(db, `other ${Math.random()}`);
  const seen = await inTenant(db, other, (tx) => tx.selectFrom('tickets').selectAll().execute());
  expect(seen).toEqual([]);
  await expect(
    inTenant(db, other, (tx) =>
      tx
        .insertInto('teams')
        .values({ id: newId('team'), tenant_id: tenantId, name: 'spies' })
        .execute(),
    ),
  ).rejects.toThrow(/row-level security/);
});
