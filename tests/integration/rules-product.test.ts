// oxlint-disable unicorn/no-thenable -- a rule's `then` is an object, and awaits nothing
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseMail } from '../../domain/mail/parse.ts';
import {
  eventually,
  smtpSink,
  startedProduct,
  type RunningProduct,
  type SmtpSink,
} from '../harness/index.ts';
import { request, type ApiAnswer } from './api-fixture.ts';

// The whole product: a form's mail by the real-time door, the autoresponder's answer and the agent's, at the outside.

let sink: SmtpSink;
let product: RunningProduct;
beforeAll(async () => {
  sink = await smtpSink();
  product = await startedProduct();
}, 240_000);
afterAll(async () => {
  await product?.remove();
  await sink?.close();
});

const call = (method: string, path: string, body?: unknown): Promise<ApiAnswer> =>
  request(product.running.apiUrl + path, method, body, { authorization: `Bearer ${product.key}` });

test('a form’s customer is told once, is answered, and no machine is', async () => {
  const { body: channel } = await call('POST', '/v1/channels', {
    provider: 'mime',
    name: 'Shop',
    address: 'support@shop.example',
    settings: { smtp: { host: sink.host, port: sink.port, security: 'none' } },
    rules: {
      rules: [
        {
          name: 'Contact form',
          when: { all: [{ field: 'sender', is: 'form@forms.example' }] },
          then: { requester: { pattern: '^From: (\\S+@\\S+)' }, tags: ['form'] },
        },
      ],
      autoresponder: { subject: 'We got it', text: 'Ticket {{ticket.number}}, {{sender.name}}.' },
    },
  });
  const push = async (id: string, more: object = {}) => {
    let body: unknown;
    // A machine that has much to do may accept it first; the same again is the same mail.
    await eventually(async () => {
      const answer = await request(
        `${product.running.apiUrl}/ingress/email`,
        'POST',
        {
          from: 'form@forms.example',
          subject: 'Kettle',
          text: 'From: bo@kunde.example\nIt broke.',
          message_id: id,
          ...more,
        },
        { authorization: `Bearer ${channel.ingress_token}` },
      );
      expect([answer.status, answer.body.status]).toEqual([200, 'processed']);
      body = answer.body;
    });
    return body as { email_id: string; ticket: { id: string; number: number } };
  };

  await push('machine@forms.example', { headers: { 'Auto-Submitted': 'auto-generated' } });
  const { ticket, email_id: emailId } = await push('one@forms.example');
  await push('two@forms.example');
  const [told] = await sink.waitFor(1, 90_000);
  const answer = await parseMail(told!.raw, { receivedAt: new Date() });
  expect(answer.message).toMatchObject({
    from: 'support@shop.example',
    to: [{ address: 'bo@kunde.example' }],
    subject: 'Re: We got it',
    content: `Ticket ${ticket.number}, bo@kunde.example.`,
    in_reply_to: ['one@forms.example'],
  });
  const header = (name: string) => answer.headers.text(name);
  expect(header('auto-submitted')).toBe('auto-replied');
  expect(header('x-auto-response-suppress')).toBe('All');

  const replied = await call('POST', `/v1/messages/${emailId}/reply`, { text: 'A new one comes.' });
  expect(replied.status).toBe(201);
  const mails = await sink.waitFor(2, 90_000);
  expect(mails[1]!.to).toEqual(['bo@kunde.example']);

  await eventually(async () => {
    const { body } = await call('GET', `/v1/tickets/${ticket.id}/messages`);
    const sent = body.data.map(({ kind, status }: { kind: string; status: string }) => [
      kind,
      status,
    ]);
    expect(sent).toEqual([
      ['message', 'received'],
      ['auto_reply', 'sent'],
      ['message', 'sent'],
    ]);
  }, 90_000);
  const { body: shown } = await call('GET', `/v1/tickets/${ticket.id}`);
  expect(shown).toMatchObject({ tags: ['form'], requester: { addresses: ['bo@kunde.example'] } });
  expect(sink.mails).toHaveLength(2);
}, 240_000);
