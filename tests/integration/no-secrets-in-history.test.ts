import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { freePort } from '../../embedded/ports.ts';
import { KeyRing } from '../../security/key-ring.ts';
import { SealingCodec } from '../../workers/temporal/codec.ts';
import {
  describeWith,
  dovecot,
  eventually,
  httpSink,
  smtpSink,
  type Dovecot,
  type HttpSink,
  type SmtpSink,
} from '../harness/index.ts';
import { bytesOf, opened, payloadsOf, recordedWorkflows } from '../harness/histories.ts';
import type { RecordedWorkflow } from '../harness/histories.ts';
import { installation, type Installation } from '../harness/installation.ts';

/** Words that stand nowhere else: each is put where a person or a secret would be. */
const marked = (place: string) => `zq${place}${randomBytes(6).toString('hex')}`;
const MARKERS = {
  subject: marked('subject'),
  body: marked('body'),
  quoted: marked('quoted'),
  customer: marked('customer'),
  customerName: marked('customername'),
  colleague: marked('colleague'),
  file: marked('file'),
  login: marked('login'),
  password: marked('password'),
  wrongLogin: marked('wronglogin'),
  wrongPassword: marked('wrongpassword'),
  channelName: marked('channelname'),
  answer: marked('answer'),
  copied: marked('copied'),
  refused: marked('refused'),
  note: marked('note'),
  newSubject: marked('newsubject'),
  field: marked('field'),
  webhookSecret: marked('webhooksecret'),
  webhookPath: marked('webhookpath'),
  webhookHeader: marked('webhookheader'),
  webhookAnswer: marked('webhookanswer'),
  smtpLogin: marked('smtplogin'),
  smtpPassword: marked('smtppassword'),
};

describeWith('dovecot', 'workflow histories', () => {
  let server: Dovecot;
  let sink: SmtpSink;
  let receiver: HttpSink;
  let postroom: Installation;
  let workflows: RecordedWorkflow[];
  let codec: SealingCodec;

  beforeAll(async () => {
    const login = { username: `${MARKERS.login}@example.test`, password: MARKERS.password };
    const outgoing = { username: MARKERS.smtpLogin, password: MARKERS.smtpPassword };
    [server, sink, receiver, postroom] = await Promise.all([
      dovecot([login]),
      smtpSink({ users: [outgoing] }),
      httpSink(),
      installation(),
    ]);
    codec = new SealingCodec(postroom.deps.keys);
    await postroom.startWorkers();
    await live(login, outgoing);
    workflows = await recordedWorkflows(postroom.deps.client);
  }, 240_000);

  afterAll(async () => {
    await postroom?.close();
    await Promise.all([server?.stop(), sink?.close(), receiver?.close()]);
  });

  it('are of every kind, those that went wrong among them', () => {
    const types = new Set(workflows.map(({ type }) => type));
    expect([...types]).toEqual(expect.arrayContaining(['mailbox', 'ticket', 'webhookDelivery']));
    const failed = workflows.flatMap(({ history }) => history.events ?? []);
    expect(failed.filter((event) => event.activityTaskFailedEventAttributes)).not.toEqual([]);
    expect(failed.filter((event) => event.workflowExecutionFailedEventAttributes)).not.toEqual([]);
    const count = workflows.reduce((sum, { history }) => sum + payloadsOf(history).length, 0);
    process.stderr.write(`\n${workflows.length} workflows, ${count} payloads scanned\n`);
    expect(count).toBeGreaterThan(100);
  });

  it('hold nothing of a mail or a credential in plain, failures and descriptions included', () => {
    for (const { workflowId, history, description } of workflows) {
      const stored = `${bytesOf(history).toString('latin1')}\n${JSON.stringify(description, asText)}`;
      expect({ workflowId, found: markersIn(stored) }).toEqual({ workflowId, found: [] });
    }
  });

  it('are sealed but for search attributes and the notes of the SDK itself', () => {
    const open = workflows.flatMap(({ history }) =>
      payloadsOf(history)
        .filter(({ payload }) => String(encodingOf(payload)) !== 'binary/encrypted')
        .map(({ path }) => path.filter((step) => !/^\d+$/.test(step)).join('.')),
    );
    expect(open.filter((path) => !OPEN_PLACES.test(path))).toEqual([]);
  });

  it('hold nothing of a mail or a credential to those who have the key either', async () => {
    for (const { workflowId, history } of workflows) {
      const plain = bytesOf(await opened(history, codec)).toString('latin1');
      expect({ workflowId, found: markersIn(plain) }).toEqual({ workflowId, found: [] });
    }
  });

  it('would show what a failure says: the scan reads it with the key, and not without', async () => {
    const words = 'refuses the login. Check username and password';
    const sealed = workflows.map(({ history }) => history);
    const plain = await Promise.all(sealed.map((history) => opened(history, codec)));
    const says = (history: RecordedWorkflow['history']) => bytesOf(history).includes(words);
    expect(plain.some(says)).toBe(true);
    expect(sealed.some(says)).toBe(false);
  });

  it('open with no other key, even one that goes by the same name', async () => {
    const named = KeyRing.parse(`${postroom.deps.keys.currentId}:${KeyRing.generate()}`);
    const unnamed = KeyRing.parse(KeyRing.generate());
    const sealed = workflows
      .flatMap(({ history }) => payloadsOf(history))
      .filter(({ payload }) => String(encodingOf(payload)) === 'binary/encrypted');
    expect(sealed.length).toBeGreaterThan(100);
    for (const keys of [named, unnamed]) {
      const other = new SealingCodec(keys);
      for (const { payload } of sealed) await expect(other.decode([payload])).rejects.toThrow();
    }
  });

  /** A mail, its answer, a note and changes; a refused login, a refused recipient, refused webhooks. */
  async function live(
    login: { username: string; password: string },
    outgoing: { username: string; password: string },
  ): Promise<void> {
    await makeEndpoints();
    const imap = { host: server.host, port: server.ports.imap, security: 'none' };
    const channel = await made('/v1/channels', {
      provider: 'imap',
      name: MARKERS.channelName,
      settings: {
        ...imap,
        ...login,
        smtp: { host: sink.host, port: sink.port, security: 'none', ...outgoing },
      },
    });
    const refused = await made('/v1/channels', {
      provider: 'imap',
      name: `Refused ${MARKERS.channelName}`,
      settings: {
        ...imap,
        username: `${MARKERS.wrongLogin}@example.test`,
        password: MARKERS.wrongPassword,
      },
    });
    server.deliver(login.username, markedMail());
    const ticketId = await ticketOfTheMail();
    // A passing refusal and one for good, both in the server's own words about the address.
    const words = `<${MARKERS.copied}@customer.example>: not here, ask ${MARKERS.customer}@customer.example`;
    sink.failNext({ kind: 'reject', at: 'rcpt', code: 447, text: words });
    await made(`/v1/tickets/${ticketId}/messages`, {
      text: MARKERS.answer,
      cc: [`${MARKERS.copied}@customer.example`],
    });
    await made(`/v1/tickets/${ticketId}/notes`, { text: MARKERS.note });
    await sink.waitFor(1, 90_000);
    sink.failNext({ kind: 'reject', at: 'data', code: 554, text: words });
    await made(`/v1/tickets/${ticketId}/messages`, { text: MARKERS.refused });
    const changed = await postroom.call('PATCH', `/v1/tickets/${ticketId}`, {
      subject: MARKERS.newSubject,
      custom_fields: { [MARKERS.field]: MARKERS.field },
      status: 'resolved',
    });
    expect(changed.status).toBe(200);
    await eventually(async () => {
      const { body } = await postroom.call('GET', '/v1/events?limit=200');
      const types = (body.data as { type: string }[]).map(({ type }) => type);
      expect(types).toEqual(
        expect.arrayContaining(['message.sent', 'message.failed', 'channel.needs_attention']),
      );
      const status = await postroom.call('GET', `/v1/channels/${refused.id}/status`);
      expect(status.body).toMatchObject({ state: 'needs_attention' });
      const fine = await postroom.call('GET', `/v1/channels/${channel.id}/status`);
      expect(fine.body).toMatchObject({ state: 'watching' });
      expect((await recordedWorkflows(postroom.deps.client)).some(isGivenUp)).toBe(true);
    }, 90_000);
  }

  async function makeEndpoints(): Promise<void> {
    receiver.answerWith(({ path }) =>
      path.startsWith('/fails') ? { status: 500, body: MARKERS.webhookAnswer } : {},
    );
    const gone = await freePort();
    for (const url of [
      `${receiver.url}/works/${MARKERS.webhookPath}`,
      `${receiver.url}/fails/${MARKERS.webhookPath}`,
      `http://127.0.0.1:${gone}/${MARKERS.webhookPath}`,
    ])
      await made('/v1/webhook-endpoints', {
        url,
        events: ['*'],
        secret: `${MARKERS.webhookSecret}${MARKERS.webhookSecret}`,
        headers: { authorization: `Bearer ${MARKERS.webhookHeader}` },
        max_retries: 1,
      });
  }

  async function ticketOfTheMail(): Promise<string> {
    let id = '';
    await eventually(async () => {
      const { body } = await postroom.call('GET', '/v1/tickets');
      expect(body.data).toHaveLength(1);
      id = body.data[0].id as string;
    }, 90_000);
    return id;
  }

  async function made(path: string, content: object): Promise<{ id: string }> {
    const answer = await postroom.call('POST', path, content);
    if (answer.status >= 300) throw new Error(`POST ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body as { id: string }; // what was made has one
  }
});

/** Search attributes stay open to be searched; the SDK's markers hold activity types, ids and times. */
const OPEN_PLACES =
  /(searchAttributes|indexedFields)\.|^events\.markerRecordedEventAttributes\.details\.data\.payloads$/;

function markersIn(text: string): string[] {
  return Object.entries(MARKERS).flatMap(([name, marker]) => {
    const forms = [marker, Buffer.from(marker).toString('base64').slice(0, -4)];
    return forms.some((form) => text.includes(form)) ? [name] : [];
  });
}

function isGivenUp({ type, history }: RecordedWorkflow): boolean {
  return (
    type === 'webhookDelivery' &&
    (history.events ?? []).some((event) => event.workflowExecutionFailedEventAttributes)
  );
}

function encodingOf({ metadata }: { metadata?: Record<string, Uint8Array> | null }): Buffer {
  return Buffer.from(metadata?.['encoding'] ?? []);
}

/** Bytes as text, so that what they hold is found. */
function asText(_name: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  return typeof value === 'bigint' ? String(value) : value;
}

function markedMail(): string {
  return [
    `From: "${MARKERS.customerName}" <${MARKERS.customer}@customer.example>`,
    `To: <${MARKERS.login}@example.test>`,
    `Cc: <${MARKERS.colleague}@customer.example>`,
    `Subject: ${MARKERS.subject}`,
    'Message-ID: <one@customer.example>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    MARKERS.body,
    '',
    `> ${MARKERS.quoted}`,
    '--b',
    `Content-Type: application/pdf; name="${MARKERS.file}.pdf"`,
    `Content-Disposition: attachment; filename="${MARKERS.file}.pdf"`,
    '',
    MARKERS.body,
    '--b--',
    '',
  ].join('\r\n');
}
