import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { describeWith, dovecot, eventually, smtpSink } from '../../harness/index.ts';
import type { Dovecot, SmtpSink } from '../../harness/index.ts';
import { installation, type Installation, type WorkerProcess } from '../../harness/installation.ts';

const marked = (place: string) => `zq${place}${randomBytes(5).toString('hex')}`;
const MARKERS = {
  login: marked('login'),
  password: marked('password'),
  wrongPassword: marked('wrongpassword'),
  smtpPassword: marked('smtppassword'),
  customer: marked('customer'),
  name: marked('name'),
  subject: marked('subject'),
  body: marked('body'),
  file: marked('file'),
  answer: marked('answer'),
  words: marked('words'),
};

describeWith('dovecot', 'a mailbox’s workers, at their loudest', () => {
  let server: Dovecot;
  let sink: SmtpSink;
  let postroom: Installation;
  let worker: WorkerProcess;
  const login = { username: `${MARKERS.login}@example.test`, password: MARKERS.password };

  beforeAll(async () => {
    [server, sink, postroom] = await Promise.all([
      dovecot([login]),
      smtpSink({ users: [{ username: 'out', password: MARKERS.smtpPassword }] }),
      installation(),
    ]);
    worker = await postroom.startWorkers({ POSTROOM_LOG_LEVEL: 'debug' });
  }, 240_000);

  afterAll(async () => {
    await postroom?.close();
    await Promise.all([server?.stop(), sink?.close()]);
  });

  it('log a mail, a refused login, a refused answer and lost connections without a word of them', async () => {
    const imap = { host: server.host, port: server.ports.imap, security: 'none' };
    const smtp = { host: sink.host, port: sink.port, security: 'none', username: 'out' };
    const channel = await made('/v1/channels', {
      provider: 'imap',
      name: MARKERS.name,
      settings: { ...imap, ...login, smtp: { ...smtp, password: MARKERS.smtpPassword } },
    });
    const refused = await made('/v1/channels', {
      provider: 'imap',
      name: MARKERS.name,
      settings: { ...imap, ...login, password: MARKERS.wrongPassword },
    });
    server.deliver(login.username, mail());
    let ticketId = '';
    await eventually(async () => {
      const { body } = await postroom.call('GET', '/v1/tickets');
      ticketId = body.data[0].id;
    }, 90_000);
    sink.failNext({
      kind: 'reject',
      at: 'data',
      code: 554,
      text: `5.7.1 ${MARKERS.words} <${MARKERS.customer}@c.example>`,
    });
    await made(`/v1/tickets/${ticketId}/messages`, { text: MARKERS.answer });
    await eventually(async () => {
      const { body } = await postroom.call('GET', '/v1/events?limit=100');
      const types = (body.data as { type: string }[]).map(({ type }) => type);
      expect(types).toContain('message.failed');
      const status = await postroom.call('GET', `/v1/channels/${refused.id}/status`);
      expect(status.body.state).toBe('needs_attention');
    }, 90_000);
    await server.stop(); // connections break, and come back to nobody
    await eventually(async () => {
      const status = await postroom.call('GET', `/v1/channels/${channel.id}/status`);
      expect(status.body.state).toBe('backing_off');
    }, 90_000);
    const log = worker.log();
    expect(log.split('\n').length).toBeGreaterThan(3);
    expect(Object.entries(MARKERS).filter(([, marker]) => log.includes(marker))).toEqual([]);
  }, 240_000);

  async function made(path: string, content: object): Promise<{ id: string }> {
    const answer = await postroom.call('POST', path, content);
    if (answer.status >= 300) throw new Error(`POST ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body as { id: string }; // what was made has one
  }
});

function mail(): string {
  return [
    `From: "${MARKERS.name}" <${MARKERS.customer}@c.example>`,
    `To: ${MARKERS.login}@example.test`,
    `Subject: ${MARKERS.subject}`,
    `Message-ID: <${MARKERS.subject}@c.example>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    MARKERS.body,
    '--b',
    `Content-Type: text/plain; name=${MARKERS.file}.txt`,
    `Content-Disposition: attachment; filename=${MARKERS.file}.txt`,
    '',
    'attached',
    '--b--',
    '',
  ].join('\r\n');
}
