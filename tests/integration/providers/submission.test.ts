import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Readable } from 'node:stream';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { ProviderFailure } from '../../../domain/failure.ts';
import type { OutgoingMessage } from '../../../providers/contract.ts';
import { SmtpSettings } from '../../../providers/smtp/manifest.ts';
import { smtp } from '../../../providers/smtp/provider.ts';
import { makeSelfSigned } from '../../../security/self-signed-certificate.ts';
import { smtpSink, type SmtpSink } from '../../harness/index.ts';
import { providerCall } from './call.ts';
import { outgoing } from './outgoing.ts';

jest.setTimeout(240_000);
const certificate = makeSelfSigned(['localhost', '127.0.0.1']);
const login = { username: 'support', password: 'open sesame' };

describe('submission', () => {
  let sink: SmtpSink | undefined;
  afterEach(() => sink?.close());

  const settings = (more: object = {}) =>
    SmtpSettings.parse({
      smtp: { host: '127.0.0.1', port: sink!.port, security: 'none', ...more },
    });

  async function send(
    message: OutgoingMessage = outgoing(),
    {
      given = settings(),
      transmitting = async () => undefined,
      ...more
    }: { given?: SmtpSettings; transmitting?: () => Promise<void>; timeoutMs?: number } & {
      signal?: AbortSignal;
    } = {},
  ) {
    return smtp.sender!.send(providerCall(given, more), message, transmitting);
  }

  async function refusal(sending: Promise<unknown>): Promise<ProviderFailure> {
    const error: unknown = await sending.then(
      () => new Error('it was sent'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ProviderFailure);
    return error as ProviderFailure;
  }

  it.each([
    ['none', undefined],
    ['starttls', certificate],
    ['tls', { ...certificate, implicit: true }],
  ] as const)('sends with security %s, logged in', async (security, tls) => {
    sink = await smtpSink({ users: [login], ...(tls && { tls }) });
    const given = settings({ security, ca: certificate.cert, ...login });
    const receipt = await send(outgoing(), { given });
    expect(receipt.response).toMatch(/^250/);
    expect(sink.mails).toMatchObject([
      { from: 'support@example.test', to: ['ada@x.test', 'bob@x.test'], user: 'support' },
    ]);
    expect(sink.mails[0]!.secure).toBe(security !== 'none');
    expect(await smtp.validate!(providerCall(given))).toMatchObject({ ok: true });
  });

  it('keeps thread, id, texts and attachments as they were given', async () => {
    sink = await smtpSink();
    await send();
    const mail = await simpleParser(sink.mails[0]!.raw);
    expect(mail).toMatchObject({
      messageId: '<own.1@example.test>',
      inReplyTo: '<question@x.test>',
      references: ['<first@x.test>', '<question@x.test>'],
      subject: 'Re: Größe 42',
      text: 'Guten Tag,\n\n.ein Punkt\n',
    });
    expect(mail.html).toContain('<b>Guten Tag</b>');
    expect(mail.attachments.map(({ filename, size }) => [filename, size])).toEqual([
      ['Rechnung Ä.pdf', 300_000],
    ]);
  });

  it('lets nothing of the mail out before it is noted that it may go out, and notes it once', async () => {
    sink = await smtpSink();
    let noted = 0;
    await send(outgoing(), {
      transmitting: async () => {
        noted++;
        await new Promise((done) => setTimeout(done, 200));
        expect(sink!.mails).toEqual([]);
      },
    });
    expect(noted).toBe(1);
    expect(sink.mails).toHaveLength(1);
  });

  it('sends nothing where noting it fails, and hands that error back as it is', async () => {
    sink = await smtpSink();
    const lost = new Error('another worker sends it now');
    await expect(send(outgoing(), { transmitting: () => Promise.reject(lost) })).rejects.toBe(lost);
    await new Promise((done) => setTimeout(done, 300));
    expect(sink.mails).toEqual([]);
  });

  it.each([
    ['mail', 550, 'give_up'],
    ['mail', 421, 'wait'],
    ['rcpt', 550, 'give_up'],
    ['rcpt', 450, 'wait'],
    ['rcpt', 452, 'wait'],
    ['data', 554, 'give_up'],
    ['data', 451, 'wait'],
    ['data', 455, 'retry'],
    ['mail', 530, 'reauthenticate'],
  ] as const)('classifies a refusal at %s with %i as %s', async (at, code, expected) => {
    sink = await smtpSink();
    sink.failNext({ kind: 'reject', at, code, text: 'no mail for ada@x.test today' });
    const failure = await refusal(send());
    expect(failure).toMatchObject({ class: expected, status: code });
    expect(failure.uncertain).toBeUndefined();
    expect(failure.message).not.toContain('ada@x.test');
    expect(sink.mails).toEqual([]);
  });

  it('asks for other credentials where the login is refused or missing', async () => {
    sink = await smtpSink({ users: [login] });
    const wrong = settings({ ...login, password: 'wrong' });
    const given = { code: 'smtp.login_refused', class: 'reauthenticate' };
    expect(await refusal(send(outgoing(), { given: wrong }))).toMatchObject(given);
    expect(await refusal(send())).toMatchObject(given);
    const report = await smtp.validate!(providerCall(wrong));
    expect(report.problems).toMatchObject([{ step: 'login', pointer: '/settings/smtp/password' }]);
  });

  it('knows that nothing was sent where the connection ends before the mail’s end', async () => {
    sink = await smtpSink();
    sink.failNext({ kind: 'drop' });
    const failure = await refusal(send());
    expect(failure).toMatchObject({ class: 'retry', uncertain: undefined });
    await sink.close();
    expect(await refusal(send())).toMatchObject({
      code: 'smtp.connection_refused',
      class: 'retry',
    });
    sink = undefined;
  });

  it.each(['drop_after_data', 'hang_after_data'] as const)(
    'says that it is uncertain after %s',
    async (kind) => {
      sink = await smtpSink();
      sink.failNext({ kind });
      const failure = await refusal(send(outgoing(), { timeoutMs: 4000 }));
      expect(failure).toMatchObject({ code: 'smtp.answer_lost', uncertain: true });
      expect(sink.mails).toHaveLength(1);
    },
  );

  it('sends nothing where an attachment breaks off', async () => {
    sink = await smtpSink();
    const message = outgoing();
    const broken = {
      ...message.attachments[0]!,
      content: () =>
        Readable.from(
          (async function* () {
            yield Buffer.alloc(500_000, 'x');
            throw new Error('the store is gone');
          })(),
        ),
    };
    const failure = await refusal(send({ ...message, attachments: [broken] }));
    expect(failure).toMatchObject({ code: 'smtp.content_unreadable', class: 'retry' });
    await new Promise((done) => setTimeout(done, 200));
    expect(sink.mails).toEqual([]);
  });

  it('does not send in plain where STARTTLS is asked for and not offered', async () => {
    const { server, port, taken } = await plainServer();
    const given = SmtpSettings.parse({
      smtp: { host: '127.0.0.1', port, security: 'starttls', ...login },
    });
    expect(await refusal(send(outgoing(), { given }))).toMatchObject({ code: 'smtp.tls_failed' });
    expect(taken).toEqual([]);
    await new Promise<void>((done) => server.close(done));
  });

  it('trusts no certificate that it was not told to', async () => {
    sink = await smtpSink({ tls: { ...certificate, implicit: true } });
    const given = settings({ security: 'tls' });
    expect(await refusal(send(outgoing(), { given }))).toMatchObject({
      code: 'smtp.certificate_refused',
    });
  });

  it('reaches no private host that was not allowed', async () => {
    sink = await smtpSink();
    const given = settings({ host: '10.0.0.1' });
    expect(await refusal(send(outgoing(), { given }))).toMatchObject({
      code: 'smtp.host_not_allowed',
      class: 'give_up',
    });
  });

  it('lets no line of an agent become a header or a command', async () => {
    sink = await smtpSink();
    const evil = 'x\r\nBcc: eve@x.test\r\n\r\n.\r\nMAIL FROM:<eve@x.test>';
    await send({
      ...outgoing(),
      subject: evil,
      from: { name: evil, address: 'support@example.test' },
      replyTo: `a@x.test${evil}`,
      inReplyTo: `a@x.test>${evil}`,
      text: '.\r\n.\r\nMAIL FROM:<eve@x.test>\r\n',
      attachments: [{ ...outgoing().attachments[0]!, filename: evil, contentType: evil }],
    });
    expect(sink.mails).toHaveLength(1);
    expect(sink.mails[0]!.to).toEqual(['ada@x.test', 'bob@x.test']);
    const { headers } = await simpleParser(sink.mails[0]!.raw);
    expect(headers.has('bcc')).toBe(false);
  });

  it('tells which recipients were refused while others were taken', async () => {
    const { server, port } = await plainServer();
    const given = SmtpSettings.parse({ smtp: { host: '127.0.0.1', port, security: 'none' } });
    expect((await send(outgoing(), { given })).rejected).toEqual(['bob@x.test']);
    await new Promise<void>((done) => server.close(done));
  });

  it('says plainly that a channel has no outgoing server, or a mail no recipient', async () => {
    sink = await smtpSink();
    expect(await refusal(send(outgoing(), { given: SmtpSettings.parse({}) }))).toMatchObject({
      code: 'channel.no_outgoing_server',
      class: 'give_up',
    });
    expect(await refusal(send({ ...outgoing(), to: [] }))).toMatchObject({
      code: 'smtp.no_recipient',
      class: 'give_up',
    });
  });

  it('sends nothing when it is cancelled before the mail’s end', async () => {
    sink = await smtpSink();
    const cancel = new AbortController();
    const sending = send(
      {
        ...outgoing(),
        attachments: [
          {
            ...outgoing().attachments[0]!,
            content: () =>
              Readable.from(
                (async function* () {
                  yield Buffer.alloc(1000);
                  cancel.abort(new Error('cancelled'));
                  await new Promise((done) => setTimeout(done, 200));
                  yield Buffer.alloc(1000);
                })(),
              ),
          },
        ],
      },
      { signal: cancel.signal },
    );
    await expect(sending).rejects.toThrow('cancelled');
    await new Promise((done) => setTimeout(done, 300));
    expect(sink.mails).toEqual([]);
  });
});

/** A server without STARTTLS that knows no Bob. */
async function plainServer(): Promise<{ server: SMTPServer; port: number; taken: string[] }> {
  const taken: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onRcptTo: ({ address }, _session, done) => {
      if (address.startsWith('bob'))
        done(Object.assign(new Error('no bob here'), { responseCode: 550 }));
      else {
        taken.push(address);
        done();
      }
    },
    onData(stream, _session, done) {
      stream.resume().on('end', () => done());
    },
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.server.address() as { port: number };
  return { server, port, taken };
}
