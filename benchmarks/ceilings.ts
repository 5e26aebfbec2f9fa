import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { ImapFlow } from 'imapflow';
import { MailParser, type AttachmentStream } from 'mailparser';
import pg from 'pg';
import { parseMail } from '../domain/mail/parse.ts';
import type { GeneratedMail } from '../tests/generator/mails.ts';
import type { Dovecot, DovecotUser } from '../tests/harness/dovecot.ts';
import type { Stage } from './stage.ts';
import { cpuBetween, cpuOf, withoutDovecot } from './usage.ts';

const BATCH = 100;
const STARTS_AT_ONCE = 30;

/** What the work can't do without, each part alone and bare: read and parse, store bytes and a row, start a workflow. */
export async function ceilings(
  stage: Stage,
  server: Dovecot,
  user: DovecotUser,
  mails: readonly GeneratedMail[],
): Promise<{ summary: string; lines: string[] }> {
  const threads = new Set(mails.flatMap(({ truth }) => truth.thread ?? [])).size;
  const count = mails.length;
  const parts = [
    await measure('fetch and parse', count, () => fetchAndParse(server, user)),
    await measure('insert the bytes and a row', count, () => bareInserts(stage, mails)),
    await measure(`start ${threads} sleeping workflows`, count, () => bareStarts(stage, threads)),
  ];
  const cpu = parts.reduce((sum, part) => sum + part.cpu, 0);
  return {
    summary: `its bare parts: ${cpu.toFixed(1)} ms`,
    lines: parts.map(
      ({ name, rate, cpu: each }) =>
        `ceiling, ${name}: ${rate.toFixed(0)}/s, ${each.toFixed(2)} ms a mail`,
    ),
  };
}

async function measure(name: string, count: number, work: () => Promise<void>) {
  const before = cpuOf([]);
  const own = process.cpuUsage();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(own);
  const servers = withoutDovecot(cpuBetween(before, cpuOf([])));
  return { name, rate: count / seconds, cpu: ((user + system) / 1000 + servers) / count };
}

async function fetchAndParse(server: Dovecot, user: DovecotUser): Promise<void> {
  const client = imapClient(server, user);
  await client.connect();
  await client.mailboxOpen('INBOX', { readOnly: true });
  for await (const mail of client.fetch('1:*', { source: true }))
    await parseMail(mail.source!, { receivedAt: new Date() });
  await client.logout();
}

/** A mail client of nobody's: what it costs or hears is the mail server's doing alone. */
export function imapClient(server: Dovecot, user: DovecotUser): ImapFlow {
  return new ImapFlow({
    host: server.host,
    port: server.ports.imap,
    secure: false,
    doSTARTTLS: false,
    auth: { user: user.username, pass: user.password },
    logger: false,
  });
}

/** What a mail takes mailparser alone, in ms of CPU: as others load the machine this rises, and with it all else. */
export async function pace(mails: readonly GeneratedMail[]): Promise<number> {
  const sample = mails.slice(0, 300);
  const before = process.cpuUsage();
  for (const { raw } of sample) await parseBare(raw);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / sample.length;
}

async function parseBare(raw: Buffer): Promise<void> {
  const parser = new MailParser({
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipImageLinks: true,
    skipTextLinks: true,
  });
  parser.end(raw);
  for await (const part of parser as AsyncIterable<AttachmentStream | { type: 'text' }>) {
    if (part.type !== 'attachment') continue;
    const content = part.content as Readable; // its type names the base of all streams
    await finished(content.resume());
    part.release();
  }
}

async function bareInserts(stage: Stage, mails: readonly GeneratedMail[]): Promise<void> {
  const client = new pg.Client({ connectionString: stage.databaseUrl });
  await client.connect();
  await client.query('create table bare (id int primary key, bytes bytea, body jsonb)');
  await client.query('alter table bare alter column bytes set storage external');
  for (let from = 0; from < mails.length; from += BATCH) {
    const rows = mails.slice(from, from + BATCH);
    const places = rows.map((_, at) => `($${at * 3 + 1}, $${at * 3 + 2}, $${at * 3 + 3})`);
    await client.query(
      `insert into bare values ${places.join()}`,
      rows.flatMap(({ raw, truth }, at) => [from + at, raw, JSON.stringify(truth)]),
    );
  }
  await client.query('drop table bare');
  await client.end();
}

async function bareStarts({ deps }: Stage, count: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: STARTS_AT_ONCE }, async () => {
      while (next < count)
        await deps.client.workflow.start('nobody', {
          workflowId: `bare/${next++}`,
          taskQueue: 'nobody',
          startDelay: '365 days',
        });
    }),
  );
}
