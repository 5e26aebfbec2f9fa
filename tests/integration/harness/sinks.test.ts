import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTransport } from 'nodemailer';
import { httpSink, smtpSink, type HttpSink, type SmtpSink } from '../../harness/index.ts';

describe('the SMTP sink', () => {
  let sink: SmtpSink;
  beforeEach(async () => {
    sink = await smtpSink();
  });
  afterEach(() => sink.close());

  const send = () => {
    const transport = createTransport({ host: sink.host, port: sink.port, socketTimeout: 500 });
    return transport.sendMail({ from: 'a@example.test', to: 'b@example.test', text: 'Hi' });
  };

  it('keeps the raw mail', async () => {
    await send();
    expect(sink.mails).toMatchObject([
      { from: 'a@example.test', to: ['b@example.test'], answered: true },
    ]);
    expect(sink.mails[0]?.raw.toString()).toContain('\r\n\r\nHi');
  });

  it.each(['mail', 'rcpt', 'data'] as const)('rejects at %s when told to', async (at) => {
    sink.failNext({ kind: 'reject', at, code: 451 });
    await expect(send()).rejects.toMatchObject({ responseCode: 451 });
    expect(sink.mails).toEqual([]);
    await send();
    expect(sink.mails).toHaveLength(1);
  });

  it.each(['hang_after_data', 'drop_after_data'] as const)(
    'takes the mail without an answer: %s',
    async (kind) => {
      sink.failNext({ kind });
      await expect(send()).rejects.toThrow();
      expect(sink.mails).toMatchObject([{ answered: false }]);
    },
  );
});

describe('the HTTP sink', () => {
  let sink: HttpSink;
  beforeAll(async () => {
    sink = await httpSink();
  });
  afterAll(() => sink.close());

  it('keeps body and headers, and answers as told', async () => {
    sink.answerNext({ status: 503, headers: { 'retry-after': '1' } });
    const refused = await fetch(`${sink.url}/hook`, { method: 'POST', body: '{"a": 1}' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await fetch(sink.url)).status).toBe(200);
    expect(sink.requests[0]).toMatchObject({ method: 'POST', path: '/hook' });
    expect(sink.requests[0]?.body.toString()).toBe('{"a": 1}');
  });

  it('cuts the connection when told to', async () => {
    sink.answerNext({ fault: 'drop' });
    await expect(fetch(sink.url)).rejects.toThrow();
  });
});
