import { describe, expect, it } from '@jest/globals';
import { bounceForms } from './fixtures/bounces.ts';
import { parseMail, type ParsedMail } from './parse.ts';

const from =
  'From: Mail Delivery System <MAILER-DAEMON@mx.example>\r\nReturn-Path: <>\r\nTo: support@help.example\r\n';

function report(
  status: string,
  returned = 'Content-Type: message/rfc822\r\n\r\nMessage-ID: <ours@help.example>\r\n\r\nold',
  words = 'Sorry.',
): Promise<ParsedMail> {
  const parts = [
    `Content-Type: text/plain\r\n\r\n${words}`,
    `Content-Type: message/delivery-status\r\n\r\n${status}`,
    returned,
  ];
  const body = parts.map((part) => `--b\r\n${part}\r\n`).join('');
  const mail = `${from}Subject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n${body}--b--\r\n`;
  return parseMail(Buffer.from(mail), { receivedAt: new Date(0) });
}

function plain(subject: string, body: string, header = ''): Promise<ParsedMail> {
  return parseMail(Buffer.from(`${from}${header}Subject: ${subject}\r\n\r\n${body}`), {
    receivedAt: new Date(0),
  });
}

const recipient = (action: string, status: string, diagnostic = ''): string =>
  `Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; Ada@Example.COM\r\nAction: ${action}\r\nStatus: ${status}\r\n${diagnostic && `Diagnostic-Code: ${diagnostic}\r\n`}`;

describe('delivery status notification', () => {
  it('says which mail failed for whom, and for good', async () => {
    const { message, threading } = await report(
      recipient('failed', '5.1.1', 'smtp; 550 5.1.1 <ada@example.com>:\r\n no such user'),
    );
    expect(message.kind).toBe('bounce');
    expect(message.bounce).toEqual({
      recipients: [
        {
          address: 'Ada@example.com',
          action: 'failed',
          status: '5.1.1',
          smtp_code: 550,
          permanent: true,
          diagnostic: '550 5.1.1 <ada@example.com>: no such user',
        },
      ],
      original_message_id: 'ours@help.example',
    });
    expect(threading.references[0]).toBe('ours@help.example');
  });

  it('does not condemn an address for a passing failure or a delay', async () => {
    const gaveUp = (await report(recipient('failed', '4.4.1'))).message;
    expect(gaveUp).toMatchObject({
      kind: 'bounce',
      bounce: { recipients: [{ permanent: false, status: '4.4.1' }] },
    });
    const delayed = (await report(recipient('delayed', '4.2.2', 'smtp; 452 4.2.2 full'))).message;
    expect(delayed).toMatchObject({
      kind: 'delivery_report',
      bounce: { recipients: [{ action: 'delayed', smtp_code: 452, permanent: false }] },
    });
  });

  it('is a delivery report where the mail arrived', async () => {
    expect((await report(recipient('delivered', '2.0.0'))).message.kind).toBe('delivery_report');
  });

  it('lists every recipient', async () => {
    const two = `${recipient('failed', '5.1.1')}\r\nOriginal-Recipient: rfc822;b@example.org\r\nAction: delivered (to mailbox)\r\nStatus: 2.1.5\r\n`;
    const { message } = await report(two);
    expect(message.bounce?.recipients.map((entry) => [entry.address, entry.action])).toEqual([
      ['Ada@example.com', 'failed'],
      ['b@example.org', 'delivered'],
    ]);
    expect(message.kind).toBe('bounce');
  });

  it('is linked by headers alone, and reads a code where no status stands', async () => {
    const { message } = await report(
      recipient('failed', '', 'smtp; 554 delivery error: rejected'),
      'Content-Type: text/rfc822-headers\r\n\r\nMessage-ID:\r\n <ours@help.example>\r\n',
      'Ihre Nachricht konnte nicht zugestellt werden.',
    );
    expect(message.bounce).toMatchObject({
      original_message_id: 'ours@help.example',
      recipients: [{ status: null, smtp_code: 554, permanent: true }],
    });
  });
});

describe('bounce without delivery-status', () => {
  it('is read from its text', async () => {
    const body =
      'I am sorry to have to inform you.\r\n\r\n<ada@example.com>:\r\n550 5.1.1 User unknown\r\n\r\n--- Below this line is a copy of the message.\r\n\r\nReturn-Path: <support@help.example>\r\nMessage-ID: <ours@help.example>\r\nTo: other@example.com\r\n';
    const { message } = await plain('failure notice', body);
    expect(message.kind).toBe('bounce');
    expect(message.bounce).toMatchObject({
      original_message_id: 'ours@help.example',
      recipients: [
        { address: 'ada@example.com', status: '5.1.1', smtp_code: 550, permanent: true },
      ],
    });
    expect(message.bounce?.recipients).toHaveLength(1);
  });

  it('names its recipients in a header', async () => {
    const { message } = await plain(
      'Mail delivery failed',
      'no.',
      'X-Failed-Recipients: ada@example.com,\r\n b@example.org\r\n',
    );
    expect(message.bounce?.recipients.map((entry) => entry.address)).toEqual([
      'ada@example.com',
      'b@example.org',
    ]);
    expect(message.bounce?.recipients[0]).toMatchObject({ status: null, permanent: false });
  });

  it('is read in bounded time from a hostile text', async () => {
    const start = performance.now();
    await plain('Undelivered', `${'a.'.repeat(200_000)}@${'b.'.repeat(200_000)}`);
    await plain('Undelivered', '--'.repeat(300_000));
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});

describe('bounces as servers write them', () => {
  it.each(bounceForms.map((form) => [form.name, form] as const))(
    'edge 22, 23: %s',
    async (_name, form) => {
      const context = { receivedAt: new Date(0) };
      const { message, automatic } = await parseMail(Buffer.from(form.source), context);
      expect(message.kind).toBe(form.kind ?? 'bounce');
      expect(message.bounce).toMatchObject({
        recipients: form.recipients,
        original_message_id: form.namesNoMail ? null : 'ours@help.example',
      });
      expect(automatic.automatic).toBe(true);
    },
  );
});
