import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import type { Deps } from '../../activities/deps.ts';
import { ingestStaged } from '../../activities/ingestion.ts';
import { reparse, type ReparseOptions, type ReparseProgress } from '../../activities/reparse.ts';
import { connect, inTenant, type Db } from '../../db/connection.ts';
import type { LoadedChannel } from '../../db/queries/channels.ts';
import { stageReceipts } from '../../db/queries/sources.ts';
import { listTickets } from '../../db/queries/ticket-list.ts';
import { ensureTenant } from '../../db/queries/tenants.ts';
import { newId, type TenantId } from '../../domain/ids.ts';
import { PARSER_VERSION } from '../../domain/mail/parse.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { testDatabase } from '../harness/index.ts';
import { ingestionDeps, mailChannel, receiveMail } from './ingested-mail.ts';

let url: string;
let db: Db;
let deps: Deps;
let tenant: string;
let tenantId: TenantId;
let channel: LoadedChannel;
const keys = KeyRing.parse(KeyRing.generate());

beforeAll(async () => {
  ({ url } = await testDatabase());
  db = connect({ url, poolSize: 4 });
  deps = ingestionDeps(db, keys);
});

afterAll(() => db.destroy());

beforeEach(async () => {
  tenant = `tenant ${Math.random()}`;
  tenantId = await ensureTenant(db, tenant);
  channel = await mailChannel(deps, tenantId);
});

const mail = (id: string, body: string): Buffer =>
  Buffer.from(
    `From: ada@example.com\r\nTo: s@shop.example\r\nSubject: Kettle\r\nMessage-ID: <${id}>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${body}\r\n--b\r\nContent-Type: text/csv; name=a.csv\r\n\r\n1;2\r\n--b\r\nContent-Type: application/pdf; name=b.pdf\r\n\r\n%PDF ${id}\r\n--b--\r\n`,
  );

const receive = (...sources: Buffer[]) => receiveMail(deps, channel, ...sources);

/** As an older parser would have left it: another text, one file missing and one misnamed. */
async function asParsedBefore(messageId?: string): Promise<void> {
  await inTenant(db, tenantId, async (tx) => {
    const rows = await tx.selectFrom('messages').selectAll().execute();
    for (const row of rows.filter((one) => !messageId || one.id === messageId)) {
      const body = row.body as { attachments: { filename: string }[] };
      const attachments = [{ ...body.attachments[0]!, filename: 'wrong' }];
      await tx
        .updateTable('messages')
        .set({
          body: JSON.stringify({
            ...body,
            content: 'garbled',
            new_content: 'garbled',
            attachments,
          }),
          content_hash: Buffer.alloc(32, rows.indexOf(row)),
          parser_version: null,
        })
        .where('id', '=', row.id)
        .execute();
      await tx
        .updateTable('attachments')
        .set({ filename: 'wrong' })
        .where('message_id', '=', row.id)
        .where('position', '=', 0)
        .execute();
      await tx
        .deleteFrom('attachments')
        .where('message_id', '=', row.id)
        .where('position', '=', 1)
        .execute();
    }
  });
}

const all = () =>
  inTenant(db, tenantId, async (tx) => ({
    messages: await tx.selectFrom('messages').selectAll().orderBy('id').execute(),
    attachments: await tx
      .selectFrom('attachments')
      .select(['id', 'message_id', 'position', 'filename', 'content_type', 'size', 'sha256'])
      .orderBy('message_id')
      .orderBy('position')
      .execute(),
    tickets: await tx.selectFrom('tickets').selectAll().orderBy('id').execute(),
    events: await tx.selectFrom('events').select('id').execute(),
    sources: await tx.selectFrom('sources').selectAll().orderBy('id').execute(),
  }));

async function run(options: ReparseOptions = {}) {
  const progress: ReparseProgress[] = [];
  const totals = await reparse(db, tenantId, options, (one) => progress.push(one));
  return { totals, progress };
}

describe('reading stored sources again', () => {
  beforeEach(() => receive(mail('a@x', 'one'), mail('b@x', 'two')));

  test('notes the parser’s version with each message, and passes over what it has read', async () => {
    const { messages } = await all();
    expect(messages.map((one) => one.parser_version)).toEqual([PARSER_VERSION, PARSER_VERSION]);
    expect((await run()).totals).toEqual({ read: 0, changed: 0, failed: 0, retried: 0 });
    expect((await run({ again: true })).totals).toMatchObject({ read: 2, changed: 0 });
  });

  test('puts what changed in place: same messages, tickets and attachments, nothing doubled', async () => {
    const before = await all();
    await asParsedBefore();
    expect((await run()).totals).toEqual({ read: 2, changed: 2, failed: 0, retried: 0 });
    const after = await all();
    expect(after.messages).toEqual(before.messages);
    expect(after.tickets).toEqual(before.tickets);
    expect(after.events).toEqual(before.events);
    const shown = ({ id: _id, ...rest }: (typeof after.attachments)[number]) => rest;
    expect(after.attachments.map(shown)).toEqual(before.attachments.map(shown));
    const kept = before.attachments.filter((one) => one.position === 0).map((one) => one.id);
    expect(after.attachments.filter((one) => one.position === 0).map((one) => one.id)).toEqual(
      kept,
    );
    await receive(mail('a@x', 'one'));
    expect((await all()).messages).toHaveLength(2);
  });

  test('finds a ticket by what is read now, and no longer by what an older parser read', async () => {
    await receive(mail('c@x', 'three'));
    const found = async (q: string) =>
      (await listTickets(db, tenantId, { q }, { after: null, limit: 10 })).map((one) => one.id);
    const [first, second] = (await all()).tickets;
    expect(await found('one')).toEqual([first!.id]);
    await asParsedBefore();
    await inTenant(db, tenantId, async (tx) => {
      await sql`update tickets set search = to_tsvector('simple', 'garbled') where id = ${first!.id}`.execute(
        tx,
      );
      await sql`update messages set ticket_id = ${first!.id} where ticket_id = ${second!.id}`.execute(
        tx,
      );
    });
    await run();
    expect(await found('garbled')).toEqual([]);
    for (const q of ['one', 'two', 'Kettle', 'ada@example.com', `${first!.number}`])
      expect(await found(q)).toContain(first!.id);
  });

  test('shows what would change, and changes nothing', async () => {
    await asParsedBefore();
    const before = await all();
    const { totals, progress } = await run({ dryRun: true });
    expect(totals).toMatchObject({ read: 2, changed: 2 });
    expect(progress[0]?.message?.fields).toEqual(
      expect.arrayContaining(['content', 'new_content', 'attachments']),
    );
    expect(await all()).toEqual(before);
  });

  test('goes on where it was stopped', async () => {
    await asParsedBefore();
    const stop = new Error('stopped');
    const first = reparse(db, tenantId, {}, () => {
      throw stop;
    });
    await expect(first).rejects.toThrow('stopped');
    expect((await run()).totals).toMatchObject({ read: 1, changed: 1, failed: 0 });
    expect((await all()).messages.every((one) => one.parser_version === PARSER_VERSION)).toBe(true);
  });

  test('is narrowed by source, channel and time', async () => {
    await asParsedBefore();
    const [first] = (await all()).sources;
    expect((await run({ dryRun: true, sourceId: first!.id })).totals.read).toBe(1);
    expect((await run({ dryRun: true, channelId: newId('channel') })).totals.read).toBe(0);
    expect((await run({ dryRun: true, channelId: channel.facts.id })).totals.read).toBe(2);
    const soon = new Date(Date.now() + 60_000);
    expect((await run({ dryRun: true, since: soon })).totals.read).toBe(0);
  });

  test('keeps the content hash of a message that would become like another', async () => {
    const [a] = (await all()).messages;
    await receive(mail('a@x', 'another'));
    const twin = (await all()).messages.find(
      (one) => one.message_id === 'a@x' && one.id !== a!.id,
    )!;
    await inTenant(db, tenantId, (tx) =>
      tx
        .updateTable('messages')
        .set({ content_hash: Buffer.alloc(32, 1), parser_version: null })
        .where('id', '=', a!.id)
        .execute(),
    );
    await inTenant(db, tenantId, (tx) =>
      tx
        .updateTable('messages')
        .set({ content_hash: a!.content_hash })
        .where('id', '=', twin.id)
        .execute(),
    );
    await asParsedBefore(a!.id);
    expect((await run()).totals).toMatchObject({ changed: 1, failed: 0 });
  });
});

test('sources set aside are staged again and become messages the ordinary way', async () => {
  await receive(mail('a@x', 'one'));
  await inTenant(db, tenantId, (tx) =>
    stageReceipts(tx, tenantId, channel.facts.id, [
      { source: mail('b@x', 'two'), providerMessageId: null, receivedAt: new Date() },
    ]),
  );
  await inTenant(db, tenantId, (tx) =>
    tx
      .updateTable('sources')
      .set({ status: 'set_aside', error: JSON.stringify({ type: 'parse_failed', detail: 'x' }) })
      .where('status', '=', 'staged')
      .execute(),
  );
  expect((await run({ dryRun: true })).totals.retried).toBe(1);
  expect((await run({ status: 'ingested' })).totals.retried).toBe(0);
  expect((await run({ status: 'set_aside' })).totals).toMatchObject({ read: 0, retried: 1 });
  const outbox = await inTenant(db, tenantId, (tx) =>
    tx.selectFrom('outbox').select(['kind', 'ref']).where('kind', '=', 'channel').execute(),
  );
  expect(outbox).toEqual([{ kind: 'channel', ref: channel.facts.id }]);
  await ingestStaged(deps, channel, () => {});
  expect((await all()).messages).toHaveLength(2);
  expect((await all()).sources.map((one) => one.status)).toEqual(['ingested', 'ingested']);
});

describe('npm run reparse', () => {
  const root = join(import.meta.dirname, '../..');
  const command = (...args: string[]) => {
    const env = { ...process.env, DATABASE_URL: url };
    const script = join(root, 'embedded/reparse.ts');
    return promisify(execFile)(process.execPath, [script, ...args], { cwd: root, env });
  };

  test('says what changed, then has nothing left to do', async () => {
    await receive(mail('a@x', 'one'), mail('b@x', 'two'));
    await asParsedBefore();
    const [first] = (await all()).messages;
    const shown = await command('--tenant', tenant, '--dry-run');
    expect(shown.stdout).toContain('2 read again, 2 would be changed, 0 failed');
    const done = await command('--tenant', tenant);
    expect(done.stdout).toMatch(new RegExp(`^${first!.id} .*content`, 'm'));
    expect(done.stdout).toContain('2 read again, 2 changed, 0 failed');
    expect((await command('--tenant', tenant)).stdout).toContain('0 read again');
  });

  test('says what it wants where it is asked for something else', async () => {
    await expect(command('--since', 'yesterday-ish')).rejects.toThrow(/is no time/);
    await expect(command('--status', 'lost')).rejects.toThrow(/neither ingested nor set_aside/);
    await expect(command('--tenant', 'nobody')).rejects.toThrow(/no tenant "nobody"/);
  });
});
