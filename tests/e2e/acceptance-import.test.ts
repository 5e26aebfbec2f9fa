import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseMail } from '../../domain/mail/parse.ts';
import { foundSources, type FoundSource } from './acceptance/found.ts';
import { threadsOf } from './acceptance/thread-view.ts';
import { FIRST_DELIVERY, generateMails, type GeneratedMail } from '../generator/mails.ts';
import {
  describeWith,
  dovecot,
  eventually,
  smtpSink,
  type Dovecot,
  type SmtpSink,
} from '../harness/index.ts';
import { installation, type Installation, type WorkerProcess } from '../harness/installation.ts';

const COUNT = 500;
const IMPORT_WITHIN_MS = 240_000;
const THREAD_FOLDER = 'Customer';

const mails = [...generateMails({ seed: 20260105, count: COUNT, largeAttachment: 5 * 1_048_576 })];
const fresh = mails.filter((mail) => !mail.isCopy);

describeWith('dovecot', 'a first import of 500 mails whose worker is killed on the way', () => {
  let server: Dovecot;
  let sink: SmtpSink;
  let postroom: Installation;
  let workers: WorkerProcess;
  let channelId: string;
  let sources: FoundSource[];
  const report: Record<string, string | number> = {};

  beforeAll(async () => {
    [server, sink, postroom] = await Promise.all([dovecot(), smtpSink(), installation()]);
    const { username } = server.users[0]!;
    for (const { raw, deliveredAt } of mails) server.deliver(username, raw, { at: deliveredAt });
  }, 240_000);

  afterAll(async () => {
    const width = Math.max(...Object.keys(report).map((name) => name.length));
    const lines = Object.entries(report).map(
      ([name, value]) => `  ${name.padEnd(width)}  ${value}`,
    );
    process.stderr.write(`\nImport with a kill\n${lines.join('\n')}\n`);
    await postroom?.close();
    await Promise.all([server?.stop(), sink?.close()]);
  }, 240_000);

  it(
    'takes in everything, over the kill',
    async () => {
      workers = await postroom.startWorkers();
      const began = performance.now();
      const made = await postroom.call('POST', '/v1/channels', {
        provider: 'imap',
        name: 'Support',
        settings: {
          host: server.host,
          port: server.ports.imap,
          security: 'none',
          ...server.users[0]!,
          import_since: FIRST_DELIVERY.toISOString().slice(0, 10),
          batch_size: 20,
          smtp: { host: sink.host, port: sink.port, security: 'none' },
        },
      });
      expect(made).toMatchObject({ status: 201, body: { state: 'connecting' } });
      channelId = made.body.id as string;

      const killed = await untilImported(0.35);
      await workers.kill('SIGKILL');
      const killedAt = performance.now();
      expect(killed.done).toBeGreaterThanOrEqual(COUNT * 0.2);
      expect(killed.done).toBeLessThan(COUNT);
      const left = await staged();
      workers = await postroom.startWorkers();

      await eventually(async () => {
        await sleep(200);
        const { body } = await postroom.call('GET', `/v1/channels/${channelId}/status`);
        expect(body).toMatchObject({ state: 'watching', set_aside: 0 });
        sources = await foundSources(postroom);
        expect(sources).toHaveLength(COUNT);
        expect(sources.filter(({ status }) => status === 'staged')).toEqual([]);
      }, IMPORT_WITHIN_MS);
      const ended = performance.now();

      report['mails'] = `${COUNT}, ${COUNT - fresh.length} of them copies`;
      report['bytes'] =
        `${(mails.reduce((sum, { raw }) => sum + raw.length, 0) / 1e6).toFixed(1)} MB`;
      report['charsets'] = new Set(mails.map(({ truth }) => truth.charset)).size;
      report['killed'] =
        `at ${killed.done} of ${killed.total}, ${left} stored and not yet ingested`;
      report['seconds to the kill'] = ((killedAt - began) / 1000).toFixed(1);
      report['seconds from the kill to the end'] = ((ended - killedAt) / 1000).toFixed(1);
      report['mails a second before the kill'] = (
        killed.done /
        ((killedAt - began) / 1000)
      ).toFixed(0);
    },
    IMPORT_WITHIN_MS + 60_000,
  );

  it('makes exactly one message of each mail, and none of a copy', () => {
    const bySource = Map.groupBy(sources, (source) => source.sha256);
    for (const group of Map.groupBy(mails, ({ truth }) => truth.sourceSha256).values()) {
      const found = bySource.get(group[0]!.truth.sourceSha256) ?? [];
      expect(found.map(({ status }) => status).sort()).toEqual([
        ...Array.from(group.slice(1), () => 'duplicate'),
        'ingested',
      ]);
      expect(new Set(found.map(({ message }) => message.id)).size).toBe(1);
    }
    expect(sources).toHaveLength(COUNT);
    expect(new Set(sources.map(({ message }) => message.id)).size).toBe(fresh.length);
  });

  it('reads subjects, people, texts and attachments as they were written', () => {
    for (const { truth } of fresh) {
      const { body, attachments } = messageOf(truth);
      expect({
        kind: body.kind,
        from: body.sender,
        to: body.to,
        cc: body.cc,
        subject: body.subject,
        text: body.new_content,
        messageId: body.message_id,
        attachments: truth.attachments && sorted(attachments),
      }).toEqual({
        kind: truth.kind,
        from: truth.from,
        to: truth.to,
        cc: truth.cc,
        subject: truth.subject,
        text: truth.text,
        messageId: truth.messageId,
        attachments: truth.attachments && sorted(truth.attachments),
      });
    }
    report['attachments compared'] = fresh.reduce(
      (sum, { truth }) => sum + (truth.attachments?.length ?? 0),
      0,
    );
  });

  it('puts each conversation into one ticket of its own, whatever the order and whoever claims it', () => {
    const ticketOf = new Map<string, string>();
    for (const { truth } of fresh) {
      const { ticketId } = messageOf(truth);
      if (truth.thread === null) {
        expect({ subject: truth.subject, ticketId }).toEqual({
          subject: truth.subject,
          ticketId: null,
        });
        continue;
      }
      const known = ticketOf.get(truth.thread) ?? ticketId!;
      expect({ thread: truth.thread, ticketId }).toEqual({ thread: truth.thread, ticketId: known });
      ticketOf.set(truth.thread, known);
    }
    expect(new Set(ticketOf.values()).size).toBe(ticketOf.size);
    report['conversations, each one ticket'] = ticketOf.size;
  });

  it('answers so that another mail system sees the answer in its conversation', async () => {
    const thread = longestThread();
    const { ticketId } = messageOf(thread[0]!.truth);
    const queued = await postroom.call('POST', `/v1/tickets/${ticketId}/messages`, {
      text: 'We look into it.',
    });
    expect(queued.body).toMatchObject({ direction: 'outbound', status: 'queued' });
    const [sent] = await sink.waitFor(1, 90_000);
    const answer = await parseMail(sent!.raw, { receivedAt: new Date() });
    const answered = answer.message.in_reply_to[0]!;
    expect(thread.map(({ truth }) => truth.messageId)).toContain(answered);
    expect(answer.message.references.at(-1)).toBe(answered);

    const others = fresh.filter(({ truth }) => truth.thread !== thread[0]!.truth.thread);
    const { username } = server.users[0]!;
    for (const { raw } of [...others.slice(0, 5), ...thread, { raw: sent!.raw }])
      server.deliver(username, raw, { folder: THREAD_FOLDER });
    const threads = await threadsOf(server, THREAD_FOLDER);
    const seen = threads.find((ids) => ids.includes(`<${answer.message.message_id}>`));
    expect([...seen!].sort()).toEqual(
      [...thread.map(({ truth }) => truth.messageId), answer.message.message_id]
        .map((id) => `<${id}>`)
        .sort(),
    );
    report['answer'] = `in a conversation of ${seen!.length} by Dovecot's THREAD=REFERENCES`;

    // The customer writes back from another address: our Message-ID proves that he got our mail.
    const back = `From: <another.address@customer.example>\r\nTo: <support@example.test>\r\nSubject: Re: back\r\nMessage-ID: <back@customer.example>\r\nIn-Reply-To: <${answer.message.message_id}>\r\n\r\nThank you.\r\n`;
    server.deliver(username, back);
    await eventually(async () => {
      const found = (await foundSources(postroom)).find(
        ({ message }) => message?.messageId === 'back@customer.example',
      );
      expect(found?.message.ticketId).toBe(ticketId);
    }, 90_000);
  }, 240_000);

  async function untilImported(part: number): Promise<{ done: number; total: number }> {
    for (;;) {
      const { body } = await postroom.call('GET', `/v1/channels/${channelId}/status`);
      const progress = body.import as { done: number; total: number } | null;
      if (progress && progress.done >= progress.total * part) return progress;
      await sleep(10);
    }
  }

  async function staged(): Promise<number> {
    return (await foundSources(postroom)).filter(({ status }) => status === 'staged').length;
  }

  function messageOf(truth: GeneratedMail['truth']) {
    return sources.find(({ sha256 }) => sha256 === truth.sourceSha256)!.message;
  }
});

/** The conversation with the most mails, all of which have a Message-ID. */
function longestThread(): GeneratedMail[] {
  const threads = [...Map.groupBy(fresh, ({ truth }) => truth.thread).entries()].filter(
    ([name, group]) =>
      name !== null &&
      group.every(({ truth }) => truth.messageId !== null && truth.kind === 'message'),
  );
  return threads.map(([, group]) => group).sort((a, b) => b.length - a.length)[0]!;
}

function sorted<T extends { readonly filename: string }>(files: readonly T[]): T[] {
  return [...files].sort((a, b) => (a.filename < b.filename ? -1 : 1));
}
